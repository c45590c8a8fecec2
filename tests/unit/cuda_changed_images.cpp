// The CUDA kernel that changes and mixes a step's images, on the host: each of a record's numbers by itself, where what
// it means is written out again. That all of it together is what the host makes of the same recipe, to the bit, is
// another test's (device_images.cpp).
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "cuda/kernels/changed_images.cuh"
#include "unit/cuda_kernel_memory.h"

namespace fer_ddp::cuda {

namespace {

constexpr int kRows = 3;

std::vector<uint8_t> noise() {
  std::mt19937 generator(1);
  std::vector<uint8_t> bytes(size_t{kRows} * kPixels);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator() % 256);
  return bytes;
}

// Pixel (x, y) from the column x * across + left and the row y + top.
ImageChangeRecord record_of(int row, float across = 1, float left = 0, float top = 0) {
  ImageChangeRecord record;
  for (int y = 0; y < kSide; ++y) {
    record.first_column[y] = left + 0.5F;
    record.first_row[y] = static_cast<float>(y) + top + 0.5F;
  }
  record.column_step = across;
  record.row = row;
  return record;
}

// What images the records make, by the kernel; the first record is of the first image's partner.
std::vector<float> images_of(const std::vector<ImageChangeRecord>& records, const BatchChangeRecord& batch = {}) {
  KernelMemory memory;
  const int images = static_cast<int>(records.size()) - 1;
  auto* pixels = memory.output<float>(images * kPixels);
  const ChangedImages work{.images = images,
                           .split_images = memory.input(noise()),
                           .batch = memory.input<BatchChangeRecord>({batch}),
                           .records = memory.input(records),
                           .pixels = pixels};
  memory.run([&] { launch_change_images({}, work); });
  return {pixels, pixels + images * kPixels};
}

using Expected = std::function<float(int image, int y, int x)>;

void expect_images(const std::vector<float>& found, const Expected& expected) {
  for (size_t i = 0; i < found.size(); ++i) {
    const int pixel = static_cast<int>(i) % kPixels;
    ASSERT_EQ(found[i], expected(static_cast<int>(i) / kPixels, pixel / kSide, pixel % kSide)) << i;
  }
}

float pixel(int row, int y, int x) {
  static const std::vector<uint8_t> bytes = noise();
  return static_cast<float>(bytes.at(static_cast<size_t>(row) * kPixels + static_cast<size_t>(y * kSide + x)));
}

TEST(CudaChangedImages, AreTheRowsThatTheirOwnRecordsName) {
  expect_images(images_of({record_of(9), record_of(2), record_of(0)}),
                [](int image, int y, int x) { return pixel(image == 0 ? 2 : 0, y, x); });
  EXPECT_TRUE(images_of({record_of(0)}).empty());
}

TEST(CudaChangedImages, AreMirroredAtTheBordersAndInterpolatedBetweenPixels) {
  expect_images(images_of({{}, record_of(0, -1, 47)}), [](int, int y, int x) { return pixel(0, y, 47 - x); });
  // One period of the mirrored image to the left, and three rows up.
  expect_images(images_of({{}, record_of(0, 1, -96, -3)}),
                [](int, int y, int x) { return pixel(0, y < 3 ? 2 - y : y - 3, x); });
  expect_images(images_of({{}, record_of(0, 1, 0.5F, 0.25F)}), [](int, int y, int x) {
    const auto between = [&](int row) { return 0.5F * (pixel(0, row, x) + pixel(0, row, std::min(x + 1, 47))); };
    return 0.75F * between(y) + 0.25F * between(std::min(y + 1, 47));
  });
}

TEST(CudaChangedImages, AreScaledAndLoseASquare) {
  ImageChangeRecord record = record_of(1);
  record.gain = 0.1F;
  record.offset = -3;
  record.erased = {.top = 4, .bottom = 10, .left = 40, .right = 48};
  const std::vector<ImageChangeRecord> records = {record, record};
  const auto is_erased = [](int y, int x) { return y >= 4 && y < 10 && x >= 40; };
  expect_images(images_of(records),
                [&](int, int y, int x) { return is_erased(y, x) ? 0.0F : pixel(1, y, x) * 0.1F + -3.0F; });
  record.erased = {};
  expect_images(images_of({record, record}, {.is_divided = 1}),
                [](int, int y, int x) { return pixel(1, y, x) / 255.0F; });
}

TEST(CudaChangedImages, AreMixedWithTheOneBefore) {
  std::vector<ImageChangeRecord> records = {record_of(2), record_of(1), record_of(0)};
  records[0].erased = {.top = 0, .bottom = 48, .left = 0, .right = 5};  // a partner's own square stays its own
  const auto unmixed = [](int place, int y, int x) { return place == 0 && x < 5 ? 0.0F : pixel(2 - place, y, x); };
  expect_images(images_of(records, {.weight = 0.3F}), [&](int image, int y, int x) {
    return unmixed(image + 1, y, x) * 0.3F + unmixed(image, y, x) * (1.0F - 0.3F);
  });
  const PixelArea cut{.top = 10, .bottom = 48, .left = 3, .right = 20};
  expect_images(images_of(records, {.weight = 0.7F, .is_cut = 1, .cut = cut}), [&](int image, int y, int x) {
    return unmixed(y >= 10 && x >= 3 && x < 20 ? image : image + 1, y, x);
  });
}

}  // namespace

}  // namespace fer_ddp::cuda
