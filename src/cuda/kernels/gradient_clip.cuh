// The norm of a whole gradient, for clipping: a thread adds up the squares of its share, a block its threads, and the
// last block to finish all blocks, so that no sum is long and its order is that of the size alone.
#pragma once

#include "cuda/kernels/channel_sums.cuh"
#include "step/device/weight_updates.h"

namespace fer_ddp::cuda {

inline constexpr int kClipThreads = 256;
inline constexpr int kClipWarps = kClipThreads / 32;

// The sum of all threads' numbers, in thread 0. sheet: [kClipWarps], which no thread still reads.
__device__ inline float sum_of_threads(float own, float* sheet) {
  for (int lanes = 16; lanes > 0; lanes /= 2) own += __shfl_xor_sync(0xffffffffU, own, lanes);
  if (threadIdx.x % 32 == 0) sheet[threadIdx.x / 32] = own;
  __syncthreads();
  if (threadIdx.x != 0) return 0;
  for (int warp = 1; warp < kClipWarps; ++warp) own += sheet[warp];
  return own;
}

static __global__ void __launch_bounds__(kClipThreads) gradient_clip(GradientClip work) {
  constexpr int kAtOnce = 4;                   // that are read at once: the way to memory is long
  auto* const sheet = shared_memory<float>();  // of each of the two sums, and a flag
  const auto thread = static_cast<int64_t>(threadIdx.x);
  const int64_t stride = int64_t{gridDim.x} * kClipThreads * 4;
  float squares[4] = {};
  for (int64_t first = (int64_t{blockIdx.x} * kClipThreads + thread) * 4; first < work.size;
       first += kAtOnce * stride) {
    float gradient[kAtOnce][4] = {};
    for (int j = 0; j < kAtOnce; ++j)
      if (first + j * stride < work.size) load_floats(work.gradient + first + j * stride, gradient[j]);
    for (int j = 0; j < kAtOnce; ++j)
      for (int i = 0; i < 4; ++i) squares[i] = __fmaf_rn(gradient[j][i], gradient[j][i], squares[i]);
  }
  const float of_block = sum_of_threads((squares[0] + squares[1]) + (squares[2] + squares[3]), sheet);
  if (thread == 0) work.parts[1 + blockIdx.x] = of_block;
  auto* const flag = reinterpret_cast<unsigned*>(sheet + 2 * kClipWarps);
  if (!is_last_block(reinterpret_cast<unsigned*>(work.parts), gridDim.x, flag)) return;
  float own = 0;
  for (auto part = static_cast<unsigned>(thread); part < gridDim.x; part += kClipThreads) own += work.parts[1 + part];
  const float norm = sqrtf(sum_of_threads(own, sheet + kClipWarps));
  // A norm that is no number passes on to all weights.
  if (thread == 0) *work.factor = norm < work.clip ? 1.0F : work.clip / norm;
}

inline void launch_gradient_clip(const LaunchContext& context, const GradientClip& work) {
  int parts = rounded_up_share(work.size, int64_t{kClipThreads} * 4);
  if (parts < 1) parts = 1;
  if (parts > GradientClip::kMostParts) parts = GradientClip::kMostParts;
  launch(dim3(static_cast<unsigned>(parts)), dim3(kClipThreads), (2 * kClipWarps + 1) * sizeof(float), context.stream,
         gradient_clip, work);
}

}  // namespace fer_ddp::cuda
