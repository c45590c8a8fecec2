#include "comm/mpi_communicator.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>

#include "comm/call_watch.h"
#include "comm/deadline_wait.h"
#include "core/error.h"

namespace fer_ddp {

namespace {

class PendingMpiReduction final : public PendingReduction {
 public:
  PendingMpiReduction(MPI_Request request, std::shared_ptr<const DeadlineWait> wait)
      : request_(request), wait_(std::move(wait)) {}
  void wait() override { wait_->wait(request_, "all-reduce of gradients"); }

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

// What starts an all-reduce in place.
template <typename T>
auto reduction(std::span<T> values, ReduceOperation operation) {
  return [values, count = as_count(values.size()), operation](MPI_Request* request) {
    return MPI_Iallreduce(MPI_IN_PLACE, values.data(), count, mpi_type<T>(),
                          operation == ReduceOperation::kSum ? MPI_SUM : MPI_MAX, MPI_COMM_WORLD, request);
  };
}

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(std::shared_ptr<const DeadlineWait::Seconds> timeout)
      : wait_(std::make_shared<const DeadlineWait>(std::move(timeout))) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    wait_->block("finding the ranks of this host", [&] {
      return MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_);
    });
    MPI_Comm_rank(node_, &node_rank_);
    MPI_Comm_size(node_, &node_size_);
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int node_rank() const override { return node_rank_; }
  [[nodiscard]] int node_size() const override { return node_size_; }

  void barrier() override {
    wait_->complete("barrier", [](MPI_Request* request) { return MPI_Ibarrier(MPI_COMM_WORLD, request); });
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    const int count = as_count(bytes.size());
    wait_->complete("broadcast", [&](MPI_Request* request) {
      return MPI_Ibcast(bytes.data(), count, MPI_BYTE, root, MPI_COMM_WORLD, request);
    });
  }

  void all_reduce(std::span<float> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<double> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<int64_t> values, ReduceOperation operation) override { reduce(values, operation); }

  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    return std::make_unique<PendingMpiReduction>(
        wait_->start("all-reduce of gradients", reduction(values, ReduceOperation::kSum)), wait_);
  }

  [[nodiscard]] std::vector<std::string> all_gather(std::string_view text) override {
    std::vector<int> lengths(static_cast<size_t>(size_));
    const int length = as_count(text.size());
    wait_->complete("all-gather", [&](MPI_Request* request) {
      return MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD, request);
    });

    const int whole = as_count(std::accumulate(lengths.begin(), lengths.end(), size_t{0}));
    std::string all(static_cast<size_t>(whole), '\0');
    std::vector<int> offsets(lengths.size());
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    wait_->complete("all-gather", [&](MPI_Request* request) {
      return MPI_Iallgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR,
                             MPI_COMM_WORLD, request);
    });

    std::vector<std::string> texts;
    for (size_t i = 0; i < lengths.size(); ++i)
      texts.push_back(all.substr(static_cast<size_t>(offsets[i]), static_cast<size_t>(lengths[i])));
    return texts;
  }

  [[nodiscard]] std::span<std::byte> allocate_node_memory(size_t bytes) override {
    if (bytes == 0) return {};
    MPI_Win window = MPI_WIN_NULL;
    void* base = nullptr;
    barrier();  // so that all ranks begin the next call together
    wait_->block("allocating the host's shared memory", [&] {
      const MPI_Aint mine = node_rank_ == 0 ? static_cast<MPI_Aint>(bytes) : 0;
      return MPI_Win_allocate_shared(mine, 1, MPI_INFO_NULL, node_, &base, &window);
    });
    windows_.push_back(window);
    wait_->block("finding the host's shared memory", [&] {
      MPI_Aint size = 0;
      int unit = 0;
      return MPI_Win_shared_query(window, 0, &size, &unit, &base);
    });
    if (node_rank_ == 0) std::memset(base, 0, bytes);
    barrier();
    return {static_cast<std::byte*>(base), bytes};
  }

  bool answer_roll_call() override { return wait_->answer_roll_call(); }
  [[noreturn]] void give_up(const std::string& waited, const std::string& advice) override {
    wait_->give_up(waited, advice);
  }

  void close() override {
    barrier();  // so that all ranks begin what follows together
    for (MPI_Win& window : windows_)
      wait_->block("freeing the host's shared memory", [&] { return MPI_Win_free(&window); });
    windows_.clear();
    if (node_ != MPI_COMM_NULL) wait_->block("freeing the host's ranks", [&] { return MPI_Comm_free(&node_); });
  }

  [[noreturn]] void abort(int exit_code) override {
    wait_->dismiss_others();
    end_mpi_job(exit_code);
  }

 private:
  template <typename T>
  void reduce(std::span<T> values, ReduceOperation operation) {
    wait_->complete("all-reduce", reduction(values, operation));
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

void end_mpi_job(int exit_code) {
  // mpirun may hang, or a full pipe block what is flushed.
  constexpr std::chrono::seconds kTimeToEnd{1};
  CallWatch watch;
  const CallWatch::Guard guard(watch, {.limit = kTimeToEnd, .exit_code = exit_code});
  std::fflush(nullptr);
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

std::unique_ptr<Communicator> make_mpi_communicator(std::shared_ptr<const std::chrono::duration<double>> timeout) {
  return std::make_unique<MpiCommunicator>(std::move(timeout));
}

}  // namespace fer_ddp
