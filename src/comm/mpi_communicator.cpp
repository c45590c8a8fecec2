#include "comm/mpi_communicator.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "comm/deadline_wait.h"
#include "comm/mpi_runtime.h"
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
auto reduction(std::span<T> values, ReduceOperation operation, MPI_Comm ranks) {
  return [values, count = as_count(values.size()), operation, ranks](MPI_Request* request) {
    return MPI_Iallreduce(MPI_IN_PLACE, values.data(), count, mpi_type<T>(),
                          operation == ReduceOperation::kSum ? MPI_SUM : MPI_MAX, ranks, request);
  };
}

class MpiCommunicator final : public Communicator {
 public:
  // `ranks` is the job's, or one of its own.
  MpiCommunicator(MPI_Comm ranks, MPI_Comm job, std::shared_ptr<DeadlineWait::Seconds> timeout)
      : timeout_(std::move(timeout)),
        wait_(std::make_shared<const DeadlineWait>(ranks, job, timeout_)),
        ranks_(ranks),
        job_(job) {
    MPI_Comm_rank(ranks_, &rank_);
    MPI_Comm_size(ranks_, &size_);
    wait_->block("finding the ranks of this host",
                 [&] { return MPI_Comm_split_type(ranks_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_); });
    MPI_Comm_rank(node_, &node_rank_);
    MPI_Comm_size(node_, &node_size_);
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int node_rank() const override { return node_rank_; }
  [[nodiscard]] int node_size() const override { return node_size_; }

  [[nodiscard]] std::string name_of(int rank) const override { return wait_->name_of(rank); }
  void set_timeout(std::chrono::duration<double> timeout) override { *timeout_ = timeout; }

  void barrier() override {
    wait_->complete("barrier", [this](MPI_Request* request) { return MPI_Ibarrier(ranks_, request); });
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    const int count = as_count(bytes.size());
    wait_->complete("broadcast", [&](MPI_Request* request) {
      return MPI_Ibcast(bytes.data(), count, MPI_BYTE, root, ranks_, request);
    });
  }

  void all_reduce(std::span<float> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<double> values, ReduceOperation operation) override { reduce(values, operation); }
  void all_reduce(std::span<int64_t> values, ReduceOperation operation) override { reduce(values, operation); }

  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    return std::make_unique<PendingMpiReduction>(
        wait_->start("all-reduce of gradients", reduction(values, ReduceOperation::kSum, ranks_)), wait_);
  }

  [[nodiscard]] std::vector<std::string> all_gather(std::string_view text) override {
    std::vector<int> lengths(static_cast<size_t>(size_));
    const int length = as_count(text.size());
    wait_->complete("all-gather", [&](MPI_Request* request) {
      return MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, ranks_, request);
    });

    const int whole = as_count(std::accumulate(lengths.begin(), lengths.end(), size_t{0}));
    std::string all(static_cast<size_t>(whole), '\0');
    std::vector<int> offsets(lengths.size());
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    wait_->complete("all-gather", [&](MPI_Request* request) {
      return MPI_Iallgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR,
                             ranks_, request);
    });

    std::vector<std::string> texts;
    for (size_t i = 0; i < lengths.size(); ++i)
      texts.push_back(all.substr(static_cast<size_t>(offsets[i]), static_cast<size_t>(lengths[i])));
    return texts;
  }

  [[nodiscard]] NodeMemory allocate_node_memory(size_t bytes) override {
    if (bytes == 0) return {};
    free_released();
    MPI_Win window = MPI_WIN_NULL;
    void* base = nullptr;
    barrier();  // so that all ranks begin the next call together
    wait_->block("allocating the host's shared memory", [&] {
      const MPI_Aint mine = node_rank_ == 0 ? static_cast<MPI_Aint>(bytes) : 0;
      return MPI_Win_allocate_shared(mine, 1, MPI_INFO_NULL, node_, &base, &window);
    });
    const auto hold = std::make_shared<int>();
    windows_.push_back({window, hold});
    wait_->block("finding the host's shared memory", [&] {
      MPI_Aint size = 0;
      int unit = 0;
      return MPI_Win_shared_query(window, 0, &size, &unit, &base);
    });
    if (node_rank_ == 0) std::memset(base, 0, bytes);
    barrier();
    return {{static_cast<std::byte*>(base), bytes}, hold};
  }

  [[nodiscard]] std::unique_ptr<Communicator> split(int color) override {
    MPI_Comm group = MPI_COMM_NULL;
    barrier();  // so that all ranks begin the next call together
    wait_->block("dividing the ranks into groups", [&] { return MPI_Comm_split(ranks_, color, rank_, &group); });
    return std::make_unique<MpiCommunicator>(group, job_, std::make_shared<DeadlineWait::Seconds>(*timeout_));
  }

  bool answer_roll_call() override { return wait_->answer_roll_call(); }
  [[noreturn]] void give_up(const std::string& waited, const std::string& advice) override {
    wait_->give_up(waited, advice);
  }

  void close() override {
    barrier();  // so that all ranks begin what follows together
    for (Window& window : windows_) free(window);
    windows_.clear();
    if (node_ != MPI_COMM_NULL) wait_->block("freeing the host's ranks", [&] { return MPI_Comm_free(&node_); });
    if (ranks_ != job_) wait_->block("freeing a group's ranks", [&] { return MPI_Comm_free(&ranks_); });
  }

  [[noreturn]] void abort(int exit_code) override {
    wait_->dismiss_others();
    end_job(exit_code);
  }

 private:
  struct Window {
    MPI_Win window;
    std::weak_ptr<const void> hold;
  };

  void free(Window& window) {
    wait_->block("freeing the host's shared memory", [&] { return MPI_Win_free(&window.window); });
  }

  // Freeing is collective, and a rank may hold on for longer than its neighbour.
  void free_released() {
    std::vector<int64_t> held;
    for (const Window& window : windows_) held.push_back(window.hold.expired() ? 0 : 1);
    wait_->complete("agreeing on what memory is held", reduction(std::span(held), ReduceOperation::kMax, node_));
    std::vector<Window> kept;
    for (size_t i = 0; i < windows_.size(); ++i) {
      if (held[i] != 0)
        kept.push_back(windows_[i]);
      else
        free(windows_[i]);
    }
    windows_ = std::move(kept);
  }

  template <typename T>
  void reduce(std::span<T> values, ReduceOperation operation) {
    wait_->complete("all-reduce", reduction(values, operation, ranks_));
  }

  std::shared_ptr<DeadlineWait::Seconds> timeout_;
  std::shared_ptr<const DeadlineWait> wait_;
  MPI_Comm ranks_;
  MPI_Comm job_;
  int rank_ = 0;
  int size_ = 1;
  int node_rank_ = 0;
  int node_size_ = 1;
  MPI_Comm node_ = MPI_COMM_NULL;
  std::vector<Window> windows_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm job,
                                                    std::shared_ptr<std::chrono::duration<double>> timeout) {
  return std::make_unique<MpiCommunicator>(job, job, std::move(timeout));
}

}  // namespace fer_ddp
