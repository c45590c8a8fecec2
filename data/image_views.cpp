#include "data/image_views.h"

#include <algorithm>
#include <array>

#include "core/expressions.h"
#include "data/affine_sample.h"

namespace fer_ddp {

namespace {

constexpr int kShift = 3;  // pixels

int within(int place) { return std::clamp(place, 0, kImageSide - 1); }

int column_of(const ImageView& view, int x) { return within((view.mirrored ? kImageSide - 1 - x : x) + view.across); }

}  // namespace

std::vector<ImageView> image_views(TestViews which) {
  if (which == TestViews::kNone) return {{}};
  if (which == TestViews::kFlip) return {{}, {.mirrored = true}};
  std::vector<ImageView> views;
  for (const int down : {0, -kShift, kShift})
    for (const int across : {0, -kShift, kShift})
      for (const bool mirrored : {false, true}) views.push_back({down, across, mirrored});
  return views;
}

void write_view(const ImageView& view, PixelScale scale, const uint8_t* pixels, float* image) {
  if (view == ImageView{}) {
    scale_image(scale, pixels, image);
    return;
  }
  std::array<float, kImagePixels> whole;  // NOLINT(cppcoreguidelines-pro-type-member-init): all of it is written
  scale_image(scale, pixels, whole.data());
  for (int y = 0; y < kImageSide; ++y) {
    const float* row = whole.data() + within(y + view.down) * kImageSide;
    for (int x = 0; x < kImageSide; ++x) image[y * kImageSide + x] = row[column_of(view, x)];
  }
}

std::vector<int64_t> view_rows(const ImageView& view) {
  std::vector<int64_t> rows;
  for (int y = 0; y < kImageSide; ++y) rows.push_back(within(y + view.down));
  return rows;
}

std::vector<int64_t> view_columns(const ImageView& view) {
  std::vector<int64_t> columns;
  for (int x = 0; x < kImageSide; ++x) columns.push_back(column_of(view, x));
  return columns;
}

}  // namespace fer_ddp
