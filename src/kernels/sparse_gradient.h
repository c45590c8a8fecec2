// The units' gradients of a batch that are not zero, listed twice: image by image, and unit by unit with the images in
// order. Images are cut into leaves, contiguous runs whose sums are taken apart (see dense_layer.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fer_ddp {

class SparseGradient {
 public:
  // An image's or a unit's entries: `index` is the unit, or the image.
  struct Entry {
    int32_t index = 0;
    float value = 0;
  };

  // Memory for up to `images`; build() takes none.
  SparseGradient(int images, int units, int leaves);

  // dense: [images][units], images of leaf i: [leaf_begins[i], leaf_begins[i + 1]).
  void build(const float* dense, std::span<const int> leaf_begins);

  [[nodiscard]] int images() const { return images_; }
  [[nodiscard]] int leaves() const { return leaves_; }
  [[nodiscard]] int leaf_begin(int leaf) const { return leaf_begins_[static_cast<size_t>(leaf)]; }
  // Inline, because they are asked for 100,000 times a step.
  [[nodiscard]] std::span<const Entry> of_image(int image) const {
    return {by_image_.data() + int64_t{image} * units_, static_cast<size_t>(in_image_[static_cast<size_t>(image)])};
  }
  [[nodiscard]] std::span<const Entry> of_unit(int unit, int leaf) const {
    const size_t at = list(unit, leaf);
    const int32_t begin = at == 0 ? 0 : unit_ends_[at - 1];
    return {by_unit_.data() + begin, static_cast<size_t>(unit_ends_[at] - begin)};
  }

 private:
  [[nodiscard]] size_t list(int unit, int leaf) const { return static_cast<size_t>(int64_t{unit} * leaves_ + leaf); }

  int units_;
  int leaves_;
  int images_ = 0;
  std::vector<int> leaf_begins_;
  std::vector<Entry> by_image_;     // [images][units] places
  std::vector<int32_t> in_image_;   // entries of each image
  std::vector<Entry> by_unit_;      // compact
  std::vector<int32_t> unit_ends_;  // by (unit, leaf)
};

}  // namespace fer_ddp
