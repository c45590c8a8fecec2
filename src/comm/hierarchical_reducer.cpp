#include "comm/hierarchical_reducer.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <utility>

#include "comm/waited_time.h"
#include "core/error.h"
#include "core/share.h"

namespace fer_ddp {

namespace {

constexpr size_t kFloatsOfALine = 16;  // a cache line: no two ranks write to one
constexpr size_t kBlock = 512;         // floats summed at once, which stay in the first-level cache

// Ranks of a step usually come within microseconds of each other, and giving the core away costs as much; where there
// are fewer cores than ranks, the one that is waited for needs it.
constexpr int kSpinsBeforeYielding = 4000;
constexpr std::chrono::milliseconds kPatience{250};
// A rank that leaves the error to another one is ended with the job well before this.
constexpr std::chrono::seconds kSilence{10};

// The left subtree of `count` parts is the largest power of two below it.
size_t left_part(size_t count) { return std::bit_floor(count - 1); }

// out[0 .. size) = the sum of parts[..][begin ..], as a binary tree.
void sum_tree(std::span<const std::span<float>> parts, size_t begin, size_t size, float* out) {
  if (parts.size() == 1) {
    if (out != parts[0].data() + begin) std::copy_n(parts[0].data() + begin, size, out);
    return;
  }
  if (parts.size() == 2) {
    const float* a = parts[0].data() + begin;
    const float* b = parts[1].data() + begin;
    for (size_t i = 0; i < size; ++i) out[i] = a[i] + b[i];
    return;
  }
  // The right half first, and aside: `out` may be one of the parts.
  const size_t left = left_part(parts.size());
  std::array<float, kBlock> right;
  sum_tree(parts.subspan(left), begin, size, right.data());
  sum_tree(parts.first(left), begin, size, out);
  for (size_t i = 0; i < size; ++i) out[i] += right[i];
}

double sum_tree(std::span<double* const> parts, size_t i) {
  if (parts.size() == 1) return parts[0][i];
  const size_t left = left_part(parts.size());
  return sum_tree(parts.first(left), i) + sum_tree(parts.subspan(left), i);
}

}  // namespace

HierarchicalReducer::HierarchicalReducer(Communicator& communicator, size_t floats, size_t reducible,
                                         std::chrono::duration<double> timeout)
    : communicator_(communicator),
      floats_(floats),
      timeout_(timeout),
      member_(communicator.node_rank()),
      members_(communicator.node_size()),
      on_one_host_(communicator.node_size() == communicator.size()) {
  const auto members = static_cast<size_t>(members_);
  const size_t ticket_bytes = members * sizeof(Ticket);
  const size_t double_bytes = 2 * members * kMostDoubles * sizeof(double);
  const size_t total_floats = (reducible + kFloatsOfALine - 1) / kFloatsOfALine * kFloatsOfALine;
  const size_t all_floats = (1 + members) * floats + total_floats;
  memory_ =
      communicator.allocate_node_memory(alignof(Ticket) + ticket_bytes + double_bytes + all_floats * sizeof(float));
  const std::span<std::byte> memory = memory_.bytes();
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  std::byte* at = memory.data() + (alignof(Ticket) - address % alignof(Ticket)) % alignof(Ticket);
  const auto take = [&at](size_t bytes) { return std::exchange(at, at + bytes); };
  // The memory is zeroed, which is a counter's first state; every process sees it at an address of its own.
  tickets_ = {reinterpret_cast<Ticket*>(take(ticket_bytes)), members};
  for (size_t i = 0; i < 2 * members; ++i)
    doubles_.push_back(reinterpret_cast<double*>(take(kMostDoubles * sizeof(double))));
  const auto take_floats = [&](size_t count) {
    return std::span(reinterpret_cast<float*>(take(count * sizeof(float))), count);
  };
  shared_ = take_floats(floats);
  total_ = take_floats(total_floats);
  for (size_t i = 0; i < members; ++i) own_.push_back(take_floats(floats));
  for (int member = 0; member < members_; ++member) parts_.push_back({slice_of({0, floats_}, member)});
}

FlatRange HierarchicalReducer::slice_of(FlatRange range, int member) const {
  const auto edge = [&](int m) {
    const size_t lines = (range.size() + kFloatsOfALine - 1) / kFloatsOfALine;
    return std::min(range.end, range.begin + share_begin(lines, static_cast<size_t>(m), static_cast<size_t>(members_)) *
                                                 kFloatsOfALine);
  };
  return {edge(member), edge(member + 1)};
}

void HierarchicalReducer::barrier() {
  ++meetings_;
  std::atomic_ref(tickets_[static_cast<size_t>(member_)].count).store(meetings_, std::memory_order_release);
  for (int other = 0; other < members_; ++other)
    if (other != member_) wait_for(other, meetings_);
}

void HierarchicalReducer::wait_for(int member, uint64_t count) {
  const std::atomic_ref theirs(tickets_[static_cast<size_t>(member)].count);
  for (int spin = 0; spin < kSpinsBeforeYielding; ++spin) {
    if (theirs.load(std::memory_order_acquire) >= count) return;
    __builtin_ia32_pause();
  }
  WaitedTime time;
  WaitedTime::Seconds limit = timeout_;
  while (theirs.load(std::memory_order_acquire) < count) {
    sched_yield();
    const WaitedTime::Seconds waited = time.so_far();
    if (waited < kPatience) continue;
    if (communicator_.answer_roll_call()) limit = std::max<WaitedTime::Seconds>(limit, waited + kSilence);
    if (waited > limit)
      communicator_.give_up(
          fmt::format("{}: step waited {:.0f} s", communicator_.name_of(communicator_.rank()), timeout_.count()),
          "The ranks of this host wait for each other in its shared memory.");
  }
}

void HierarchicalReducer::all_reduce(std::span<double> values) {
  if (!on_one_host_) {
    communicator_.all_reduce(values, ReduceOperation::kSum);
    return;
  }
  for (size_t begin = 0; begin < values.size(); begin += kMostDoubles)
    sum_on_host(values.subspan(begin, std::min(kMostDoubles, values.size() - begin)));
}

void HierarchicalReducer::sum_on_host(std::span<double> values) {
  // In turns two sets of places: one that is being read is not written again before all have met once more.
  const auto members = static_cast<size_t>(members_);
  const std::span<double* const> places =
      std::span<double* const>(doubles_).subspan(double_sums_++ % 2 * members, members);
  std::copy(values.begin(), values.end(), places[static_cast<size_t>(member_)]);
  barrier();
  for (size_t i = 0; i < values.size(); ++i) values[i] = sum_tree(places, i);
}

// On one host as a sum, to which zeros add nothing; hosts hold the same values, of which the largest is any.
void HierarchicalReducer::gather(std::span<double> values) {
  if (!on_one_host_) {
    communicator_.all_reduce(values, ReduceOperation::kMax);
    return;
  }
  all_reduce(values);
}

void HierarchicalReducer::all_reduce(FlatRange range) {
  const std::span<float> mine = range.of(own());
  if (mine.size() > total_.size()) throw machine_error("a hierarchical sum of floats is longer than its memory");
  if (!on_one_host_) {
    communicator_.start_sum(mine)->wait();
    return;
  }
  barrier();
  const FlatRange part = slice_of(range, member_);
  sum_members(part, total_.data() + (part.begin - range.begin));
  barrier();
  std::copy_n(total_.begin(), mine.size(), mine.begin());
}

void HierarchicalReducer::start_sum(FlatRange range) {
  if (std::exchange(sums_have_arrived_, false)) started_.clear();
  started_.push_back(range);
  if (!on_one_host_) pending_.push_back(communicator_.start_sum(range.of(own())));
}

void HierarchicalReducer::wait_for_sums() {
  for (const auto& reduction : pending_) reduction->wait();
  pending_.clear();
  sums_have_arrived_ = true;
  barrier();
}

void HierarchicalReducer::add_up(FlatRange part) {
  if (!on_one_host_) return;
  for (const FlatRange& range : started_) {
    const FlatRange both{std::max(part.begin, range.begin), std::min(part.end, range.end)};
    if (both.begin < both.end) sum_members(both, own().data() + both.begin);
  }
}

void HierarchicalReducer::sum_members(FlatRange range, float* out) const {
  for (size_t begin = range.begin; begin < range.end; begin += kBlock)
    sum_tree(own_, begin, std::min(kBlock, range.end - begin), out + (begin - range.begin));
}

void HierarchicalReducer::gather_slices(std::span<float> values) {
  for (const FlatRange& mine : parts_[static_cast<size_t>(member_)])
    std::copy_n(values.data() + mine.begin, mine.size(), own().data() + mine.begin);
  barrier();
  for (size_t other = 0; other < parts_.size(); ++other)
    for (const FlatRange& theirs : parts_[other])
      std::copy_n(own_[other].data() + theirs.begin, theirs.size(), values.data() + theirs.begin);
  barrier();
}

}  // namespace fer_ddp
