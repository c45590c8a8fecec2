// The views of an image whose mean prediction counts in the final test: as it is, mirrored, and shifted by 3 pixels.
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/choices.h"
#include "core/pixel_scale.h"

namespace fer_ddp {

// Pixel (row y, column x) of the view is the image's at row y + down and column x + across, the border's own beyond it;
// then it is mirrored. As it is made, the image itself.
struct ImageView {
  int down = 0;
  int across = 0;
  bool mirrored = false;
  friend bool operator==(const ImageView&, const ImageView&) = default;
};

// kViews18: the image itself first.
[[nodiscard]] std::vector<ImageView> image_views(TestViews which);

// The view of 48 x 48 bytes as the network takes it in; the image is scaled before it is shifted.
void write_view(const ImageView& view, PixelScale scale, const uint8_t* pixels, float* image);

// Where rows, or columns, of a view come from: place 0, 1, .. 47.
[[nodiscard]] std::vector<int64_t> view_rows(const ImageView& view);
[[nodiscard]] std::vector<int64_t> view_columns(const ImageView& view);

}  // namespace fer_ddp
