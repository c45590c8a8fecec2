// DeviceKernels by the kernels of this folder, for one kind of arithmetic.
#pragma once

#include "cuda/kernels/changed_images.cuh"
#include "cuda/kernels/channel_sums.cuh"
#include "cuda/kernels/classify.cuh"
#include "cuda/kernels/gradient_clip.cuh"
#include "cuda/kernels/images.cuh"
#include "cuda/kernels/muon.cuh"
#include "cuda/kernels/normalize.cuh"
#include "cuda/kernels/normalize_gradient.cuh"
#include "cuda/kernels/plain_layers.cuh"
#include "cuda/kernels/pooled_images.cuh"
#include "cuda/kernels/product.cuh"
#include "cuda/kernels/residual.cuh"
#include "cuda/kernels/update_rules.cuh"
#include "cuda/kernels/weights.cuh"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

// Math: of products (product_math.cuh); T: of values.
template <template <typename, typename> typename Math, typename T>
class LaunchedKernels final : public DeviceKernels {
 public:
  LaunchedKernels(Stream stream, int multiprocessors)
      : context_{.stream = stream, .multiprocessors = multiprocessors} {}

  [[nodiscard]] int value_bytes() const override { return static_cast<int>(sizeof(T)); }

  void change_images(const ChangedImages& work) override { launch_change_images(context_, work); }
  void image_convolution(const ImageConvolution& work) override { launch_image_convolution<T>(context_, work); }
  void pooled_image_convolution(const PooledImageConvolution& work) override {
    launch_pooled_image_convolution<T>(context_, work);
  }
  [[nodiscard]] int image_gradient_parts(const DeviceExtent& output) const override {
    return cuda::image_gradient_parts(context_, output);
  }
  void image_convolution_gradient(const ImageConvolutionGradient& work) override {
    launch_image_convolution_gradient<T>(context_, work);
  }
  [[nodiscard]] int pooled_image_gradient_parts(const DeviceExtent& output) const override {
    return cuda::pooled_image_gradient_parts<T>(context_, output);
  }
  void pooled_image_convolution_gradient(const PooledImageConvolutionGradient& work) override {
    launch_pooled_image_convolution_gradient<T>(context_, work);
  }

  void convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) override {
    launch_convolution<Math, T>(context_, shape, input, weights, output);
  }
  void convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient, const void* weights,
                                  void* input_gradient, bool add) override {
    launch_input_gradient<Math, T>(context_, shape, output_gradient, weights, input_gradient, add);
  }
  [[nodiscard]] WeightGradientParts weight_gradient_parts(const DeviceConvolution& shape) const override {
    return cuda::weight_gradient_parts<T>(context_, shape);
  }
  void convolution_weight_gradient(const DeviceConvolution& shape, const void* input, const void* output_gradient,
                                   float* parts) override {
    launch_weight_gradient<Math, T>(context_, shape, input, output_gradient, parts);
  }
  [[nodiscard]] int dense_parts(const DeviceConvolution& shape) const override {
    return cuda::dense_parts<T>(context_, shape);
  }
  void dense(const DeviceConvolution& shape, const void* input, const void* weights, float* parts) override {
    launch_dense<Math, T>(context_, shape, input, weights, parts);
  }
  void sum_weight_parts(std::span<const WeightParts> all) override { launch_sum_weight_parts(context_, all); }

  [[nodiscard]] int64_t channel_sum_parts(const DeviceExtent& extent) const override {
    return cuda::channel_sum_parts(extent, context_.multiprocessors);
  }
  void use_channel_sum_parts(float* parts) override { context_.channel_parts = parts; }
  void channel_sums(const ChannelSums& work) override { launch_channel_sums<T>(context_, work); }
  void normalize(const Normalize& work) override { launch_normalize<T>(context_, work); }
  void gradient_sums(const GradientSums& work) override { launch_gradient_sums<T>(context_, work); }
  void gradient_of_values(const GradientOfValues& work) override { launch_gradient_of_values<T>(context_, work); }
  void residual_sum(const ResidualSum& work) override { launch_residual_sum<T>(context_, work); }
  void residual_gradient(const DeviceExtent& extent, const void* output, void* gradient) override {
    launch_residual_gradient<T>(context_, extent, output, gradient);
  }

  void pass_values(int64_t size, const void* from, void* to, bool add) override {
    launch_pass_values<T>(context_, size, from, to, add);
  }
  void pool(const Pooling& shape, const void* input, void* output, uint8_t* winners) override {
    launch_pool<T>(context_, shape, input, output, winners);
  }
  void pool_gradient(const Pooling& shape, const void* output_gradient, const uint8_t* winners, void* input_gradient,
                     bool add) override {
    launch_pool_gradient<T>(context_, shape, output_gradient, winners, input_gradient, add);
  }
  void features(const Features& shape, const void* input, void* rows) override {
    launch_features<T>(context_, shape, input, rows);
  }
  void features_gradient(const Features& shape, const void* row_gradient, void* input_gradient) override {
    launch_features_gradient<T>(context_, shape, row_gradient, input_gradient);
  }
  void activate_rows(const ActivateRows& work) override { launch_activate_rows<T>(context_, work); }
  void activate_rows_gradient(const ActivateRows& work, void* gradient, float* bias_gradient) override {
    launch_activate_rows_gradient<T>(context_, work, gradient, bias_gradient);
  }

  void classify(const Classify& work) override { launch_classify<T>(context_, work); }
  void classify_gradient(const Classify& work, const ClassifySums& sums) override {
    launch_classify_gradient<T>(context_, work, sums);
  }

  void gradient_clip(const GradientClip& work) override { launch_gradient_clip(context_, work); }
  void adam(const AdamStep& work) override { launch_adam<T>(context_, work); }
  void sgd(const SgdStep& work) override { launch_sgd<T>(context_, work); }
  void muon_directions(const MuonDirections& work) override { launch_muon_directions<T>(context_, work); }
  void muon_filters(const MuonFilters& work) override { launch_muon_filters<T>(context_, work); }

 private:
  LaunchContext context_;
};

}  // namespace fer_ddp::cuda
