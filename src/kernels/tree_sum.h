// Sums of a fixed shape. A batch is cut into leaves, contiguous runs of images whose sums are taken apart; the leaves
// are then added pairwise, as a binary tree. Leaves depend on the global batch alone and are cut by the rule that cuts
// the ranks' shares (core/share.h), so that any number of threads, and any number of ranks that divides the leaves
// evenly, goes through the same additions and ends with the same bits.
#pragma once

#include <cstdint>
#include <vector>

namespace fer_ddp {

// Where the leaves of one rank's share begin, counted from its first image, and where the last ends: leaves + 1 values.
// The global batch of `batch` images has `leaves` leaves; the share, images [begin, end) of it, is rank `rank`'s of
// `world_size`. Where ranks do not divide the leaves evenly the share is cut into as many as they would get at most.
[[nodiscard]] std::vector<int> leaves_of_share(int64_t batch, int64_t begin, int64_t end, int leaves, int rank,
                                               int world_size);

// parts: [count][size]; count a power of two. Ends with the sum of all in parts[0], of elements [begin, end) alone:
// threads may take others at once.
template <typename T>
void add_tree(T* parts, int count, int64_t size, int64_t begin, int64_t end) {
  for (int step = 1; step < count; step *= 2)
    for (int i = 0; i + step < count; i += 2 * step) {
      T* to = parts + i * size;
      const T* from = to + step * size;
      for (int64_t k = begin; k < end; ++k) to[k] += from[k];
    }
}

// The same for all `size` elements.
template <typename T>
void add_tree(T* parts, int count, int64_t size) {
  add_tree(parts, count, size, 0, size);
}

}  // namespace fer_ddp
