// Muon's two passes (optim/optimizer.h) around its products of matrices, which are a library's.
#pragma once

#include "cuda/kernels/update_rules.cuh"

namespace fer_ddp::cuda {

inline constexpr int kMostMatricesAtOnce = 64;  // of one launch

template <typename T>
__global__ void __launch_bounds__(kUpdateThreads) muon_directions(MuonDirections work) {
  const int64_t at = first_weight_of_thread();
  if (at >= work.update.size) return;
  const int32_t place = work.places[at / kWeightsOfAGroup];
  const bool is_filter = place >= 0;
  const float momentum = is_filter ? work.momentum : work.other_momentum;
  const float decay = place == MuonDirections::kDecaying ? work.other_decay : 0.0F;
  float weights[4] = {}, direction[4], m[4];
  load_gradient(work.update, at, direction);
  load_floats(work.m + at, m);
  if (!is_filter) load_floats(work.update.weights + at, weights);
  for (int i = 0; i < 4; ++i) {
    direction[i] += decay * weights[i];
    m[i] = momentum * m[i] + direction[i];
    direction[i] += momentum * m[i];
  }
  store_four<float>(work.m, at, m);
  if (is_filter) {
    store_four<float>(work.directions, int64_t{place} * kWeightsOfAGroup + at % kWeightsOfAGroup, direction);
    return;
  }
  const float rate = work.other_rate * work.update.numbers[0];
  for (int i = 0; i < 4; ++i) weights[i] -= rate * direction[i];
  store_weights<T>(work.update, at, weights);
}

template <typename T>
void launch_muon_directions(const LaunchContext& context, const MuonDirections& work) {
  launch_update(context, muon_directions<T>, work);
}

// What one launch updates, and the first block of each.
struct MuonMatrixList {
  MuonMatrix all[kMostMatricesAtOnce];
  int first_block[kMostMatricesAtOnce + 1];
  int count;
};

template <typename T>
__global__ void __launch_bounds__(kUpdateThreads) muon_filters(WeightUpdate update, MuonMatrixList list) {
  const int block = static_cast<int>(blockIdx.x);
  int which = 0;
  for (int behind = list.count; behind - which > 1;) {
    const int middle = (which + behind) / 2;
    if (block < list.first_block[middle])
      behind = middle;
    else
      which = middle;
  }
  const MuonMatrix& matrix = list.all[which];
  const int64_t at =
      int64_t{block - list.first_block[which]} * kWeightsOfABlock + static_cast<int64_t>(threadIdx.x) * 4;
  if (at >= matrix.size) return;
  const float rate = matrix.scale * update.numbers[0];
  const float keep = 1.0F - update.numbers[1];
  float weights[4], direction[4];
  load_floats(update.weights + matrix.begin + at, weights);
  load_floats(matrix.direction + at, direction);
  for (int i = 0; i < 4; ++i) weights[i] = keep * weights[i] - rate * direction[i];
  store_weights<T>(update, matrix.begin + at, weights);
}

template <typename T>
void launch_muon_filters(const LaunchContext& context, const MuonFilters& work) {
  MuonMatrixList list{};
  const auto launch_list = [&] {
    const int blocks = list.first_block[list.count];
    if (blocks > 0)
      launch(dim3(static_cast<unsigned>(blocks)), dim3(kUpdateThreads), 0, context.stream, muon_filters<T>, work.update,
             list);
    list.count = 0;
  };
  for (const MuonMatrix& matrix : work.matrices) {
    list.all[list.count] = matrix;
    list.first_block[list.count + 1] = list.first_block[list.count] + rounded_up_share(matrix.size, kWeightsOfABlock);
    if (++list.count == kMostMatricesAtOnce) launch_list();
  }
  if (list.count > 0) launch_list();
}

}  // namespace fer_ddp::cuda
