#include "comm/mpi_communicator.h"

#include <fmt/format.h>
#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/host.h"

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;
using Timeout = std::shared_ptr<const std::chrono::duration<double>>;

void check(int code, const char* operation, int rank) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw machine_error(fmt::format("rank {} on {}: {} failed: {}", rank, host_name(), operation,
                                  std::string_view(text.data(), static_cast<size_t>(length))));
}

// Polls `request` until it is done or the deadline has passed.
void wait_under_deadline(MPI_Request& request, const char* operation, int rank, const Timeout& timeout) {
  const Clock::time_point start = Clock::now();
  int done = 0;
  for (int polls = 1;; ++polls) {
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), operation, rank);
    if (done != 0) return;
    if (polls % 64 != 0) continue;
    sched_yield();
    if (Clock::now() - start > *timeout) {
      throw machine_error(
          fmt::format("rank {} on {}: {} waited {:.0f} s for the other ranks", rank, host_name(), operation,
                      timeout->count()),
          "A rank has died, hangs, or is very slow; see its host. collective_timeout_seconds sets this limit.");
    }
  }
}

class PendingMpiReduction final : public PendingReduction {
 public:
  PendingMpiReduction(MPI_Request request, int rank, Timeout timeout)
      : request_(request), rank_(rank), timeout_(std::move(timeout)) {}
  void wait() override { wait_under_deadline(request_, "all-reduce of gradients", rank_, timeout_); }

 private:
  MPI_Request request_;
  int rank_;
  Timeout timeout_;
};

template <typename T>
MPI_Datatype mpi_type() {
  if constexpr (std::is_same_v<T, float>) return MPI_FLOAT;
  if constexpr (std::is_same_v<T, double>) return MPI_DOUBLE;
  return MPI_INT64_T;
}

int as_count(size_t count) {
  if (count > static_cast<size_t>(std::numeric_limits<int>::max()))
    throw machine_error(fmt::format("a message of {} elements is more than MPI takes at once", count));
  return static_cast<int>(count);
}

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(Timeout timeout) : timeout_(std::move(timeout)) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_);
    MPI_Comm_rank(node_, &node_rank_);
    MPI_Comm_size(node_, &node_size_);
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int node_rank() const override { return node_rank_; }
  [[nodiscard]] int node_size() const override { return node_size_; }
  [[nodiscard]] std::string name() const override { return "mpi"; }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(MPI_COMM_WORLD, &request), "barrier", rank_);
    wait(request, "barrier");
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibcast(bytes.data(), as_count(bytes.size()), MPI_BYTE, root, MPI_COMM_WORLD, &request), "broadcast",
          rank_);
    wait(request, "broadcast");
  }

  void all_reduce(std::span<float> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<double> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<int64_t> values, ReduceOperation operation) override { reduce(values, operation); }

  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    return std::make_unique<PendingMpiReduction>(start(values, ReduceOperation::kSum), rank_, timeout_);
  }

  [[nodiscard]] std::vector<std::string> all_gather(std::string_view text) override {
    std::vector<int> lengths(static_cast<size_t>(size_));
    const int length = as_count(text.size());
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD, &request), "all-gather",
          rank_);
    wait(request, "all-gather");

    std::vector<int> offsets(lengths.size());
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::string all(static_cast<size_t>(offsets.back() + lengths.back()), '\0');
    check(MPI_Iallgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR,
                          MPI_COMM_WORLD, &request),
          "all-gather", rank_);
    wait(request, "all-gather");

    std::vector<std::string> texts;
    for (size_t i = 0; i < lengths.size(); ++i)
      texts.push_back(all.substr(static_cast<size_t>(offsets[i]), static_cast<size_t>(lengths[i])));
    return texts;
  }

  [[nodiscard]] std::span<std::byte> allocate_node_memory(size_t bytes) override {
    MPI_Win window = MPI_WIN_NULL;
    void* base = nullptr;
    const MPI_Aint mine = node_rank_ == 0 ? static_cast<MPI_Aint>(bytes) : 0;
    check(MPI_Win_allocate_shared(mine, 1, MPI_INFO_NULL, node_, &base, &window), "allocating the node's shared memory",
          rank_);
    windows_.push_back(window);
    MPI_Aint size = 0;
    int unit = 0;
    check(MPI_Win_shared_query(window, 0, &size, &unit, &base), "finding the node's shared memory", rank_);
    if (node_rank_ == 0) std::memset(base, 0, bytes);
    barrier();
    return {static_cast<std::byte*>(base), bytes};
  }

  void finish() override {
    for (MPI_Win& window : windows_) MPI_Win_free(&window);
    windows_.clear();
    if (node_ != MPI_COMM_NULL) MPI_Comm_free(&node_);
  }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  void wait(MPI_Request& request, const char* operation) { wait_under_deadline(request, operation, rank_, timeout_); }

  template <typename T>
  MPI_Request start(std::span<T> values, ReduceOperation operation) {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallreduce(MPI_IN_PLACE, values.data(), as_count(values.size()), mpi_type<T>(),
                         operation == ReduceOperation::kSum ? MPI_SUM : MPI_MAX, MPI_COMM_WORLD, &request),
          "all-reduce", rank_);
    return request;
  }

  template <typename T>
  void reduce(std::span<T> values, ReduceOperation operation) {
    MPI_Request request = start(values, operation);
    wait(request, "all-reduce");
  }

  Timeout timeout_;
  int rank_ = 0;
  int size_ = 1;
  int node_rank_ = 0;
  int node_size_ = 1;
  MPI_Comm node_ = MPI_COMM_NULL;
  std::vector<MPI_Win> windows_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(Timeout timeout) {
  return std::make_unique<MpiCommunicator>(std::move(timeout));
}

}  // namespace fer_ddp
