#include "kernels/sparse_gradient.h"

#include <algorithm>
#include <numeric>

namespace fer_ddp {

SparseGradient::SparseGradient(int images, int units, int leaves)
    : units_(units),
      leaves_(leaves),
      leaf_begins_(static_cast<size_t>(leaves) + 1),
      by_image_(static_cast<size_t>(images) * static_cast<size_t>(units)),
      in_image_(static_cast<size_t>(images)),
      by_unit_(by_image_.size()),
      unit_ends_(static_cast<size_t>(units) * static_cast<size_t>(leaves)) {}

void SparseGradient::build(const float* dense, std::span<const int> leaf_begins) {
  std::copy(leaf_begins.begin(), leaf_begins.end(), leaf_begins_.begin());
  images_ = leaf_begins.back();
  // Lengths first, then where each list begins, then the lists.
  std::fill(unit_ends_.begin(), unit_ends_.end(), 0);
  for (int leaf = 0; leaf < leaves_; ++leaf) {
    for (int image = leaf_begin(leaf); image < leaf_begin(leaf + 1); ++image) {
      const float* row = dense + static_cast<int64_t>(image) * units_;
      Entry* entries = by_image_.data() + static_cast<int64_t>(image) * units_;
      int32_t count = 0;
      for (int unit = 0; unit < units_; ++unit) {
        entries[count] = {unit, row[unit]};  // kept only where it counts
        const int32_t counts = row[unit] != 0.0F ? 1 : 0;
        count += counts;
        unit_ends_[list(unit, leaf)] += counts;
      }
      in_image_[static_cast<size_t>(image)] = count;
    }
  }
  std::exclusive_scan(unit_ends_.begin(), unit_ends_.end(), unit_ends_.begin(), 0);
  for (int leaf = 0; leaf < leaves_; ++leaf) {
    for (int image = leaf_begin(leaf); image < leaf_begin(leaf + 1); ++image)
      for (const Entry& entry : of_image(image))
        by_unit_[static_cast<size_t>(unit_ends_[list(entry.index, leaf)]++)] = {image, entry.value};
  }
}

}  // namespace fer_ddp
