// The end of a network: the last dense layer, softmax, cross-entropy against a distribution over the classes, and their
// gradients (step/fused/stages/head.h has the formulas).
#pragma once

#include "core/expressions.h"
#include "cuda/kernels/launch_context.h"
#include "device_words.h"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

inline constexpr int kClasses = kExpressionCount;
inline constexpr int kClassifyWarps = 4;

// loss, what is called, and in place of the logits the softmax's gradient against the target, unscaled.
__device__ inline float cross_entropy(float (&logits)[kClasses], const float (&target)[kClasses], int& called) {
  float largest = logits[0];
  called = 0;
  for (int k = 1; k < kClasses; ++k)
    if (logits[k] > largest) {
      largest = logits[k];
      called = k;
    }
  float exponentials[kClasses];
  float sum = 0;
  for (int k = 0; k < kClasses; ++k) {
    exponentials[k] = expf(logits[k] - largest);
    sum += exponentials[k];
  }
  const float normalizer = largest + logf(sum);
  float target_sum = 0;
  float loss = 0;
  for (int k = 0; k < kClasses; ++k) {
    target_sum += target[k];
    loss -= target[k] * (logits[k] - normalizer);
  }
  for (int k = 0; k < kClasses; ++k) logits[k] = target_sum * exponentials[k] / sum - target[k];
  return loss;
}

// q of step/teachers.h.
__device__ inline void mean_of_teachers(const TeacherLogits& teachers, int image, float (&mean)[kClasses]) {
  for (int k = 0; k < kClasses; ++k) mean[k] = 0;
  for (int teacher = 0; teacher < teachers.count; ++teacher) {
    const float* logits = teachers.logits + (teacher * teachers.room + image) * kClasses;
    float largest = logits[0];
    for (int k = 1; k < kClasses; ++k) largest = fmaxf(largest, logits[k]);
    float exponentials[kClasses];
    float sum = 0;
    for (int k = 0; k < kClasses; ++k) {
      exponentials[k] = expf((logits[k] - largest) / teachers.temperature);
      sum += exponentials[k];
    }
    for (int k = 0; k < kClasses; ++k) mean[k] += exponentials[k] / sum;
  }
  for (int k = 0; k < kClasses; ++k) mean[k] /= static_cast<float>(teachers.count);
}

// The teachers' share of the loss and of its gradient, in place of as much of the targets'.
__device__ inline void learn_from(const TeacherLogits& teachers, int image, const float (&logits)[kClasses],
                                  float& loss, float (&gradient)[kClasses]) {
  float said[kClasses];
  mean_of_teachers(teachers, image, said);
  float softened[kClasses];
  for (int k = 0; k < kClasses; ++k) softened[k] = logits[k] / teachers.temperature;
  int called = 0;
  const float theirs = cross_entropy(softened, said, called);
  const float rest = 1 - teachers.weight;
  const float by_temperature = teachers.weight * teachers.temperature;
  loss = rest * loss + by_temperature * teachers.temperature * theirs;
  for (int k = 0; k < kClasses; ++k) gradient[k] = rest * gradient[k] + by_temperature * softened[k];
}

__device__ inline int label_of(const Classify& work, int image) {
  if (work.split_labels == nullptr) return work.labels[image];
  const int position = *work.first + image;
  return work.split_labels[work.order == nullptr ? position : work.order[position]];
}

// A warp an image.
template <typename T>
__global__ void classify(Classify work) {
  const int image = static_cast<int>(blockIdx.x) * kClassifyWarps + static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (image >= work.images) return;
  const T* row = static_cast<const T*>(work.rows) + static_cast<size_t>(image) * work.inputs;
  float logits[kClasses] = {};
  for (int i = lane; i < work.inputs; i += 32) {
    const float value = to_float(row[i]);
#pragma unroll
    for (int k = 0; k < kClasses; ++k) logits[k] = __fmaf_rn(value, work.weights[k * work.inputs + i], logits[k]);
  }
#pragma unroll
  for (int k = 0; k < kClasses; ++k) {
    for (int lanes = 16; lanes > 0; lanes /= 2) logits[k] += __shfl_xor_sync(0xffffffffU, logits[k], lanes);
    if (work.bias != nullptr) logits[k] += work.bias[k];
  }
  if (lane < kClasses) {
    float own = logits[0];
#pragma unroll
    for (int k = 1; k < kClasses; ++k) own = lane == k ? logits[k] : own;
    work.logits[image * kClasses + lane] = own;
  }
  if (work.row_gradient == nullptr) return;
  const int label = label_of(work, image);
  float target[kClasses];
#pragma unroll
  for (int k = 0; k < kClasses; ++k)
    target[k] = work.targets != nullptr ? work.targets[image * kClasses + k]
                                        : (k == label ? 1.0F - work.label_smoothing : 0.0F) +
                                              work.label_smoothing / static_cast<float>(kClasses);
  int called = 0;
  float slopes[kClasses];
#pragma unroll
  for (int k = 0; k < kClasses; ++k) slopes[k] = logits[k];
  float loss = cross_entropy(slopes, target, called);
  if (work.teachers.count > 0) learn_from(work.teachers, image, logits, loss, slopes);
#pragma unroll
  for (int k = 0; k < kClasses; ++k) slopes[k] *= *work.gradient_scale;
  if (lane == 0) {
    work.image_results[2 * image] = loss;
    work.image_results[2 * image + 1] = called == label ? 1.0F : 0.0F;
#pragma unroll
    for (int k = 0; k < kClasses; ++k) work.logit_gradient[image * kClasses + k] = slopes[k];
  }
  T* gradient = static_cast<T*>(work.row_gradient) + static_cast<size_t>(image) * work.inputs;
  for (int i = lane; i < work.inputs; i += 32) {
    float sum = 0;
#pragma unroll
    for (int k = 0; k < kClasses; ++k) sum = __fmaf_rn(slopes[k], work.weights[k * work.inputs + i], sum);
    if (work.through_relu) sum = to_float(row[i]) > 0 ? sum * work.kept_scale : 0.0F;
    gradient[i] = from_float<T>(sum);
  }
}

template <typename T>
void launch_classify(const LaunchContext& context, const Classify& work) {
  if (work.images == 0) return;
  launch(dim3(static_cast<unsigned>((work.images + kClassifyWarps - 1) / kClassifyWarps)), dim3(kClassifyWarps * 32), 0,
         context.stream, classify<T>, work);
}

// A block takes 32 inputs, the last one what has no input: 8 lanes of threads share the images.
inline constexpr int kGradientInputs = 32;
inline constexpr int kGradientLanes = 8;
inline constexpr int kGradientSums = kClasses + 1;  // of an input: its weights', and its rows' gradient

template <typename T>
__device__ void add_input_gradients(const Classify& work, bool sums_rows, int input, int lane,
                                    float (&own)[kGradientSums]) {
  const T* rows = static_cast<const T*>(work.rows) + input;
  const T* gradient = static_cast<const T*>(work.row_gradient) + input;
  for (int image = lane; image < work.images; image += kGradientLanes) {
    const float value = to_float(rows[static_cast<size_t>(image) * work.inputs]);
#pragma unroll
    for (int k = 0; k < kClasses; ++k) own[k] = __fmaf_rn(value, work.logit_gradient[image * kClasses + k], own[k]);
    if (sums_rows) own[kClasses] += to_float(gradient[static_cast<size_t>(image) * work.inputs]);
  }
}

template <typename T>
__global__ void classify_gradient(Classify work, ClassifySums sums) {
  auto* sheet = shared_memory<float>();  // [lanes][sums][32]
  const int column = static_cast<int>(threadIdx.x) % kGradientInputs;
  const int lane = static_cast<int>(threadIdx.x) / kGradientInputs;
  const bool is_last = blockIdx.x == gridDim.x - 1;
  const int input = static_cast<int>(blockIdx.x) * kGradientInputs + column;
  float own[kGradientSums] = {};
  if (is_last) {
    // Column k: the bias of class k; 7 and 8: loss and hits.
    for (int image = lane; image < work.images && column < kClasses + 2; image += kGradientLanes)
      own[0] += column < kClasses ? work.logit_gradient[image * kClasses + column]
                                  : work.image_results[2 * image + column - kClasses];
  } else if (input < work.inputs) {
    add_input_gradients<T>(work, sums.row_bias_gradient != nullptr, input, lane, own);
  }
#pragma unroll
  for (int k = 0; k < kGradientSums; ++k) sheet[(lane * kGradientSums + k) * kGradientInputs + column] = own[k];
  __syncthreads();
  // Thread (lane, column) ends with sum `lane` of its column.
  float sum = 0;
  for (int other = 0; other < kGradientLanes; ++other)
    sum += sheet[(other * kGradientSums + lane) * kGradientInputs + column];
  if (!is_last) {
    if (input >= work.inputs) return;
    if (lane < kClasses) sums.weight_gradient[lane * work.inputs + input] = sum;
    if (lane == kClasses && sums.row_bias_gradient != nullptr) sums.row_bias_gradient[input] = sum;
  } else if (lane == 0 && column < kClasses) {
    if (sums.bias_gradient != nullptr) sums.bias_gradient[column] = sum;
  } else if (lane == 0 && column < kClasses + 2) {
    sums.sums[column - kClasses] = sum;
  }
}
static_assert(kGradientLanes == kGradientSums);  // a lane for each sum

template <typename T>
void launch_classify_gradient(const LaunchContext& context, const Classify& work, const ClassifySums& sums) {
  const auto blocks = static_cast<unsigned>((work.inputs + kGradientInputs - 1) / kGradientInputs + 1);
  launch(dim3(blocks), dim3(kGradientInputs * kGradientLanes),
         sizeof(float) * kGradientInputs * kGradientLanes * kGradientSums, context.stream, classify_gradient<T>, work,
         sums);
}

}  // namespace fer_ddp::cuda
