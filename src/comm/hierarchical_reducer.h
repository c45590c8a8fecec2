// A hierarchical all-reduce of flat fp32 buffers, for the data-parallel step on CPUs. On one host the ranks sum through
// shared memory: each writes its gradients where the others read them, and adds up and updates its own slice of the one
// copy of the weights that the host has. Across hosts MPI sums, begun as soon as the gradients are there, and the ranks
// of each host still share the update. On one host sums take one fixed order, a binary tree over the ranks: where each
// rank holds a subtree of the batch's leaves, 1, 2, 4 and 8 ranks end with the same bits.
//
// All calls are collective but those marked otherwise, in the same order on every rank, from one thread. Waits are
// under the deadline and name the ranks that did not come, as the communicator's are.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "core/flat_range.h"

namespace fer_ddp {

class HierarchicalReducer {
 public:
  // Buffers of `floats`, a multiple of 16, zeroed. `reducible`: the longest range that all_reduce() is called for. The
  // communicator outlives the reducer. `timeout` bounds every wait.
  HierarchicalReducer(Communicator& communicator, size_t floats, size_t reducible,
                      std::chrono::duration<double> timeout);

  // Not collective. One copy a host; each rank writes its slice of it alone.
  [[nodiscard]] std::span<float> shared() { return shared_; }
  // Not collective. This rank's; the others of the host read it within the calls below.
  [[nodiscard]] std::span<float> own() { return own_[static_cast<size_t>(member_)]; }
  // Not collective. What this rank works on for its host; the ranks' slices are the whole.
  [[nodiscard]] FlatRange slice() const { return slice_of({0, floats_}, member_); }
  // Not collective. This rank among those of its host, and how many they are.
  [[nodiscard]] int member() const { return member_; }
  [[nodiscard]] int members() const { return members_; }

  void barrier();

  // Every rank ends with the sums, the same bits on all. A host's ranks take kMostDoubles at a time.
  static constexpr size_t kMostDoubles = 4096;
  void all_reduce(std::span<double> values);

  // own()[range] becomes the sum over all ranks. At most `reducible` floats.
  void all_reduce(FlatRange range);

  // Begins to sum own()[range] over all ranks. It must not be touched until wait_for_sums() has returned.
  void start_sum(FlatRange range);
  // Afterwards this rank may add_up() its slice, or whatever the ranks have shared out otherwise among them.
  void wait_for_sums();
  // Not collective; threads may take parts at once, each of which one rank alone adds up. own()[part] becomes the sum
  // over all ranks, where it lies in ranges that were summed. Between that, or writing one's share of shared(), and
  // anybody's reading shared() or writing own() again stands a barrier().
  void add_up(FlatRange part);

  // Every rank ends with all values, of which each of the host's ranks holds some, and zeros in place of the others'.
  void gather(std::span<double> values);

  // Not collective, the same on all ranks: what each member of the host holds of a buffer that is to be gathered. At
  // first it is their slices.
  void share_out(std::vector<std::vector<FlatRange>> parts) { parts_ = std::move(parts); }
  // The parts that the host's ranks hold of a buffer of theirs become the whole on each. Overwrites own().
  void gather_slices(std::span<float> values);

 private:
  // On a cache line of its own, in memory that the host's processes share: plain, because nobody constructs it there.
  struct alignas(64) Ticket {
    uint64_t count;  // read and written by std::atomic_ref alone
  };

  [[nodiscard]] FlatRange slice_of(FlatRange range, int member) const;
  void sum_members(FlatRange range, float* out) const;
  void sum_on_host(std::span<double> values);
  void wait_for(int member, uint64_t count);

  Communicator& communicator_;
  size_t floats_;
  std::chrono::duration<double> timeout_;
  int member_;
  int members_;
  bool on_one_host_;
  NodeMemory memory_{};             // of all that follows
  std::span<Ticket> tickets_{};     // [members]: how often each has come to a barrier
  std::vector<double*> doubles_{};  // [2][members] of kMostDoubles
  std::span<float> shared_{};
  std::span<float> total_{};                     // of all_reduce(range), added up slice by slice
  std::vector<std::span<float>> own_{};          // [members]
  std::vector<std::vector<FlatRange>> parts_{};  // [members]
  uint64_t meetings_ = 0;
  uint64_t double_sums_ = 0;
  std::vector<FlatRange> started_{};  // since wait_for_sums()
  bool sums_have_arrived_ = false;
  std::vector<std::unique_ptr<PendingReduction>> pending_{};
};

}  // namespace fer_ddp
