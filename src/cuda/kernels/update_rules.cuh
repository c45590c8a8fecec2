// Update rules over flat buffers, each in one pass: weights with what the rule keeps of them, their averages, and the
// weights as values.
#pragma once

#include "cuda/kernels/launch_context.h"
#include "cuda/kernels/vectors.cuh"
#include "step/device/weight_updates.h"

namespace fer_ddp::cuda {

inline constexpr int kUpdateThreads = 256;
inline constexpr int kWeightsOfABlock = kUpdateThreads * 4;  // a thread takes four neighbours

__device__ inline int64_t first_weight_of_thread() {
  return int64_t{blockIdx.x} * kWeightsOfABlock + static_cast<int64_t>(threadIdx.x) * 4;
}

__device__ inline void load_gradient(const WeightUpdate& update, int64_t at, float (&gradient)[4]) {
  load_floats(update.gradient + at, gradient);
  if (update.gradient_factor == nullptr) return;
  const float factor = *update.gradient_factor;
  for (int i = 0; i < 4; ++i) gradient[i] *= factor;
}

__device__ inline bool is_decaying(const uint8_t* decaying, int64_t at) {
  return decaying == nullptr || decaying[at / kWeightsOfAGroup] != 0;
}

// The new weights, and what is renewed with them.
template <typename T>
__device__ inline void store_weights(const WeightUpdate& update, int64_t at, const float (&weights)[4]) {
  store_four<float>(update.weights, at, weights);
  if (update.average != nullptr) {
    const float share = update.numbers[2];
    float average[4];
    load_floats(update.average + at, average);
    for (int i = 0; i < 4; ++i) average[i] += share * (weights[i] - average[i]);
    store_four<float>(update.average, at, average);
  }
  if (update.values != nullptr) store_four<T>(update.values, at, weights);
}

template <typename T>
__global__ void __launch_bounds__(kUpdateThreads) adam(AdamStep work) {
  const int64_t at = first_weight_of_thread();
  if (at >= work.update.size) return;
  const float rate = work.update.numbers[0];
  const float keep = work.decays && is_decaying(work.decaying, at) ? work.update.numbers[1] : 1.0F;
  float weights[4], gradient[4], m[4], v[4];
  load_floats(work.update.weights + at, weights);
  load_gradient(work.update, at, gradient);
  load_floats(work.m + at, m);
  load_floats(work.v + at, v);
  for (int i = 0; i < 4; ++i) {
    const float g = gradient[i];
    m[i] += (g - m[i]) * work.new_share1;
    v[i] += (g * g - v[i]) * work.new_share2;
    weights[i] = weights[i] * keep - m[i] * rate / (sqrtf(v[i]) + work.epsilon);
  }
  store_four<float>(work.m, at, m);
  store_four<float>(work.v, at, v);
  store_weights<T>(work.update, at, weights);
}

template <typename T>
__global__ void __launch_bounds__(kUpdateThreads) sgd(SgdStep work) {
  const int64_t at = first_weight_of_thread();
  if (at >= work.update.size) return;
  const float rate = work.update.numbers[0];
  const float decay = is_decaying(work.decaying, at) ? work.decay : 0.0F;
  float weights[4], change[4];
  load_floats(work.update.weights + at, weights);
  load_gradient(work.update, at, change);
  for (int i = 0; i < 4; ++i) change[i] = rate * (change[i] + decay * weights[i]);
  if (work.velocity == nullptr) {
    for (int i = 0; i < 4; ++i) weights[i] -= change[i];
  } else {
    float velocity[4];
    load_floats(work.velocity + at, velocity);
    for (int i = 0; i < 4; ++i) {
      velocity[i] = work.momentum * velocity[i] - change[i];
      weights[i] += work.nesterov ? work.momentum * velocity[i] - change[i] : velocity[i];
    }
    store_four<float>(work.velocity, at, velocity);
  }
  store_weights<T>(work.update, at, weights);
}

template <typename Work>
void launch_update(const LaunchContext& context, void (*rule)(Work), const Work& work) {
  if (work.update.size == 0) return;
  launch(dim3(static_cast<unsigned>(rounded_up_share(work.update.size, kWeightsOfABlock))), dim3(kUpdateThreads), 0,
         context.stream, rule, work);
}
template <typename T>
void launch_adam(const LaunchContext& context, const AdamStep& work) {
  launch_update(context, adam<T>, work);
}
template <typename T>
void launch_sgd(const LaunchContext& context, const SgdStep& work) {
  launch_update(context, sgd<T>, work);
}

}  // namespace fer_ddp::cuda
