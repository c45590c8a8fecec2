#include "kernels/tree_sum.h"

#include <algorithm>
#include <bit>

#include "core/share.h"

namespace fer_ddp {

std::vector<int> leaves_of_share(int64_t batch, int64_t begin, int64_t end, int leaves, int rank, int world_size) {
  const bool even = std::has_single_bit(static_cast<unsigned>(world_size)) && world_size <= leaves;
  const int own = std::max(1, leaves / static_cast<int>(std::bit_floor(static_cast<unsigned>(world_size))));
  std::vector<int> begins;
  for (int leaf = 0; leaf <= own; ++leaf) {
    const int64_t at = even ? share_begin<int64_t>(batch, rank * own + leaf, leaves) - begin
                            : share_begin<int64_t>(end - begin, leaf, own);
    begins.push_back(static_cast<int>(at));
  }
  return begins;
}

}  // namespace fer_ddp
