#include "comm/mpi_communicator.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>

#include "comm/deadline_wait.h"
#include "core/error.h"

namespace fer_ddp {

namespace {

class PendingMpiReduction final : public PendingReduction {
 public:
  PendingMpiReduction(MPI_Request request, std::shared_ptr<const DeadlineWait> wait)
      : request_(request), wait_(std::move(wait)) {}
  void wait() override { (*wait_)(request_, "all-reduce of gradients"); }

 private:
  MPI_Request request_;
  std::shared_ptr<const DeadlineWait> wait_;
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
  explicit MpiCommunicator(std::shared_ptr<const DeadlineWait::Seconds> timeout)
      : wait_(std::make_shared<const DeadlineWait>(std::move(timeout))) {
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
    wait_->check(MPI_Ibarrier(MPI_COMM_WORLD, &request), "barrier");
    wait(request, "barrier");
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    MPI_Request request = MPI_REQUEST_NULL;
    wait_->check(MPI_Ibcast(bytes.data(), as_count(bytes.size()), MPI_BYTE, root, MPI_COMM_WORLD, &request),
                 "broadcast");
    wait(request, "broadcast");
  }

  void all_reduce(std::span<float> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<double> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<int64_t> values, ReduceOperation operation) override { reduce(values, operation); }

  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    return std::make_unique<PendingMpiReduction>(start(values, ReduceOperation::kSum), wait_);
  }

  [[nodiscard]] std::vector<std::string> all_gather(std::string_view text) override {
    std::vector<int> lengths(static_cast<size_t>(size_));
    const int length = as_count(text.size());
    MPI_Request request = MPI_REQUEST_NULL;
    wait_->check(MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD, &request),
                 "all-gather");
    wait(request, "all-gather");

    std::vector<int> offsets(lengths.size());
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::string all(static_cast<size_t>(offsets.back() + lengths.back()), '\0');
    wait_->check(MPI_Iallgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR,
                                 MPI_COMM_WORLD, &request),
                 "all-gather");
    wait(request, "all-gather");

    std::vector<std::string> texts;
    for (size_t i = 0; i < lengths.size(); ++i)
      texts.push_back(all.substr(static_cast<size_t>(offsets[i]), static_cast<size_t>(lengths[i])));
    return texts;
  }

  [[nodiscard]] std::span<std::byte> allocate_node_memory(size_t bytes) override {
    MPI_Win window = MPI_WIN_NULL;
    void* base = nullptr;
    barrier();  // MPI's own wait in the next call has no deadline: all ranks begin it together
    const MPI_Aint mine = node_rank_ == 0 ? static_cast<MPI_Aint>(bytes) : 0;
    wait_->check(MPI_Win_allocate_shared(mine, 1, MPI_INFO_NULL, node_, &base, &window),
                 "allocating the node's shared memory");
    windows_.push_back(window);
    MPI_Aint size = 0;
    int unit = 0;
    wait_->check(MPI_Win_shared_query(window, 0, &size, &unit, &base), "finding the node's shared memory");
    if (node_rank_ == 0) std::memset(base, 0, bytes);
    barrier();
    return {static_cast<std::byte*>(base), bytes};
  }

  bool answer_roll_call() override { return wait_->answer_calls(); }
  [[noreturn]] void give_up(const std::string& waited, const std::string& advice) override {
    wait_->give_up(waited, advice);
  }

  void finish() override {
    barrier();  // what follows waits without a deadline
    for (MPI_Win& window : windows_) MPI_Win_free(&window);
    windows_.clear();
    if (node_ != MPI_COMM_NULL) MPI_Comm_free(&node_);
  }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  void wait(MPI_Request& request, const char* operation) const { (*wait_)(request, operation); }

  template <typename T>
  MPI_Request start(std::span<T> values, ReduceOperation operation) {
    MPI_Request request = MPI_REQUEST_NULL;
    wait_->check(MPI_Iallreduce(MPI_IN_PLACE, values.data(), as_count(values.size()), mpi_type<T>(),
                                operation == ReduceOperation::kSum ? MPI_SUM : MPI_MAX, MPI_COMM_WORLD, &request),
                 "all-reduce");
    return request;
  }

  template <typename T>
  void reduce(std::span<T> values, ReduceOperation operation) {
    MPI_Request request = start(values, operation);
    wait(request, "all-reduce");
  }

  std::shared_ptr<const DeadlineWait> wait_;
  int rank_ = 0;
  int size_ = 1;
  int node_rank_ = 0;
  int node_size_ = 1;
  MPI_Comm node_ = MPI_COMM_NULL;
  std::vector<MPI_Win> windows_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(std::shared_ptr<const std::chrono::duration<double>> timeout) {
  return std::make_unique<MpiCommunicator>(std::move(timeout));
}

}  // namespace fer_ddp
