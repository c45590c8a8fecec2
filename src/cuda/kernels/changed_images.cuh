// A step's images from a split's bytes, changed and mixed as the host has drawn it (step/device/changed_images.h): the
// arithmetic of data/affine_sample.cpp and data/augmentation.cpp, operation by operation. Products and sums are never
// fused here, so that both give the same bits.
#pragma once

#include "cuda/kernels/images.cuh"
#include "cuda/kernels/launch_context.h"
#include "device_words.h"
#include "step/device/changed_images.h"

namespace fer_ddp::cuda {

inline constexpr int kChangeThreads = 256;

// By all threads of the block; 16 bytes a copy.
__device__ inline void start_copy_image(uint8_t* shared, const uint8_t* bytes) {
  for (int at = 16 * static_cast<int>(threadIdx.x); at < kPixels; at += 16 * static_cast<int>(blockDim.x))
    start_copy_16(shared + at, bytes + at, true);
}

__device__ inline bool holds(const PixelArea& area, int x, int y) {
  return y >= area.top && y < area.bottom && x >= area.left && x < area.right;
}

// `at`: from the image's edge, in pixels. Returns the same from the first pixel's centre, within the image, as the
// host's sampler mirrors it.
__device__ inline float reflected(float at) {
  constexpr float kPeriod = 2.0F * kSide;
  const float periods = floorf(__fmul_rn(at, 1.0F / kPeriod));
  const float within = __fsub_rn(at, __fmul_rn(periods, kPeriod));
  const float mirrored = fminf(within, __fsub_rn(kPeriod, within));
  return fminf(fmaxf(__fsub_rn(mirrored, 0.5F), 0.0F), static_cast<float>(kSide - 1));
}

__device__ inline float interpolated(float from, float to, float part) {
  return __fadd_rn(from, __fmul_rn(part, __fsub_rn(to, from)));
}

// No sample lies beyond the last pixel's centre: a neighbour that is not there has no part in it.
__device__ inline float bilinear(const uint8_t* bytes, float column, float row) {
  const int left = static_cast<int>(column);
  const int top = static_cast<int>(row);
  const int right = left + 1 < kSide ? 1 : 0;
  const int below = top + 1 < kSide ? kSide : 0;
  const uint8_t* at = bytes + top * kSide + left;
  const float part = __fsub_rn(column, static_cast<float>(left));
  const float upper = interpolated(static_cast<float>(at[0]), static_cast<float>(at[right]), part);
  const float lower = interpolated(static_cast<float>(at[below]), static_cast<float>(at[below + right]), part);
  return interpolated(upper, lower, __fsub_rn(row, static_cast<float>(top)));
}

// A pixel of an image that is changed by itself.
__device__ inline float changed_pixel(const ImageChangeRecord& change, bool is_divided, const uint8_t* bytes, int x,
                                      int y) {
  if (holds(change.erased, x, y)) return 0.0F;
  const auto along = static_cast<float>(x);
  const float column = reflected(__fadd_rn(change.first_column[y], __fmul_rn(change.column_step, along)));
  const float row = reflected(__fadd_rn(change.first_row[y], __fmul_rn(change.row_step, along)));
  const float sample = bilinear(bytes, column, row);
  if (is_divided) return __fdiv_rn(sample, 255.0F);
  return __fadd_rn(__fmul_rn(sample, change.gain), change.offset);
}

// A block an image. Shared memory: its bytes and its partner's.
static __global__ void __launch_bounds__(kChangeThreads) change_images_kernel(ChangedImages work) {
  auto* bytes = shared_memory<uint8_t>();
  uint8_t* partner_bytes = bytes + kPixels;
  const ImageChangeRecord& partner = work.records[blockIdx.x];
  const ImageChangeRecord& own = work.records[blockIdx.x + 1];
  const BatchChangeRecord batch = *work.batch;
  const bool is_mixed = batch.weight < 1.0F;
  start_copy_image(bytes, work.split_images + static_cast<size_t>(own.row) * kPixels);
  if (is_mixed) start_copy_image(partner_bytes, work.split_images + static_cast<size_t>(partner.row) * kPixels);
  end_copy_group();
  wait_for_copy_groups<0>();
  __syncthreads();
  const bool is_divided = batch.is_divided != 0;
  const float partner_weight = __fsub_rn(1.0F, batch.weight);
  float* pixels = work.pixels + static_cast<size_t>(blockIdx.x) * kPixels;
  for (int i = static_cast<int>(threadIdx.x); i < kPixels; i += kChangeThreads) {
    const int x = i % kSide;
    const int y = i / kSide;
    if (!is_mixed) {
      pixels[i] = changed_pixel(own, is_divided, bytes, x, y);
    } else if (batch.is_cut != 0) {
      const bool is_partners = holds(batch.cut, x, y);
      pixels[i] = changed_pixel(is_partners ? partner : own, is_divided, is_partners ? partner_bytes : bytes, x, y);
    } else {
      const float image = __fmul_rn(changed_pixel(own, is_divided, bytes, x, y), batch.weight);
      const float rest = __fmul_rn(changed_pixel(partner, is_divided, partner_bytes, x, y), partner_weight);
      pixels[i] = __fadd_rn(image, rest);
    }
  }
}

inline void launch_change_images(const LaunchContext& context, const ChangedImages& work) {
  if (work.images == 0) return;
  launch(dim3(static_cast<unsigned>(work.images)), dim3(kChangeThreads), 2 * kPixels, context.stream,
         change_images_kernel, work);
}

}  // namespace fer_ddp::cuda
