// What ends a backward pass: the parts of weights' gradients are added up, of all layers at once.
#pragma once

#include "cuda/kernels/launch_context.h"
#include "device_words.h"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

inline constexpr int kMostPartsAtOnce = 64;  // layers of one launch
inline constexpr int kSumThreads = 256;

// Lanes of threads that share a layer's parts.
__host__ __device__ inline int lanes_for(int part_count) { return part_count >= 16 ? 8 : 1; }

// What one launch adds up, and the first block of each.
struct WeightPartsList {
  WeightParts all[kMostPartsAtOnce];
  int first_block[kMostPartsAtOnce + 1];
  int count;
};

// A block adds up neighbours among a layer's numbers.
static __global__ void sum_weight_parts(WeightPartsList list) {
  auto* sheet = shared_memory<float>();  // [lanes][columns]
  const int block = static_cast<int>(blockIdx.x);
  int layer = 0;
  while (layer + 1 < list.count && block >= list.first_block[layer + 1]) ++layer;
  const WeightParts& work = list.all[layer];
  const int lanes = lanes_for(work.part_count);
  const int columns = kSumThreads / lanes;
  const int size = work.rows * work.columns;
  const int column = static_cast<int>(threadIdx.x) % columns;
  const int lane = static_cast<int>(threadIdx.x) / columns;
  const int place = (block - list.first_block[layer]) * columns + column;
  float own = 0;
  if (place < size)
    for (int part = lane; part < work.part_count; part += lanes) own += work.parts[part * work.part_stride + place];
  sheet[threadIdx.x] = own;
  __syncthreads();
  if (lane > 0 || place >= size) return;
  for (int other = 1; other < lanes; ++other) own += sheet[other * columns + column];
  const int row = place / work.columns;
  work.output[static_cast<size_t>(place - row * work.columns) * work.rows + row] = own;
}

inline void launch_sum_weight_parts(const LaunchContext& context, std::span<const WeightParts> all) {
  for (size_t begin = 0; begin < all.size(); begin += kMostPartsAtOnce) {
    WeightPartsList list{};
    list.count = static_cast<int>(all.size() - begin < kMostPartsAtOnce ? all.size() - begin : kMostPartsAtOnce);
    for (int i = 0; i < list.count; ++i) {
      list.all[i] = all[begin + static_cast<size_t>(i)];
      const int columns = kSumThreads / lanes_for(list.all[i].part_count);
      const int size = list.all[i].rows * list.all[i].columns;
      list.first_block[i + 1] = list.first_block[i] + (size + columns - 1) / columns;
    }
    if (list.first_block[list.count] == 0) continue;
    launch(dim3(static_cast<unsigned>(list.first_block[list.count])), dim3(kSumThreads), sizeof(float) * kSumThreads,
           context.stream, sum_weight_parts, list);
  }
}

}  // namespace fer_ddp::cuda
