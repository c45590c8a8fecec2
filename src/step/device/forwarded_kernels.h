// Kernels that hand every call on to others: what changes a few of the calls derives from this.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "step/device/device_kernels.h"

namespace fer_ddp {

class ForwardedKernels : public DeviceKernels {
 public:
  [[nodiscard]] int value_bytes() const override { return kernels_->value_bytes(); }

  void change_images(const ChangedImages& work) override { kernels_->change_images(work); }
  void image_convolution(const ImageConvolution& work) override { kernels_->image_convolution(work); }
  void pooled_image_convolution(const PooledImageConvolution& work) override {
    kernels_->pooled_image_convolution(work);
  }
  [[nodiscard]] int image_gradient_parts(const DeviceExtent& output) const override {
    return kernels_->image_gradient_parts(output);
  }
  void image_convolution_gradient(const ImageConvolutionGradient& work) override {
    kernels_->image_convolution_gradient(work);
  }
  [[nodiscard]] int pooled_image_gradient_parts(const DeviceExtent& output) const override {
    return kernels_->pooled_image_gradient_parts(output);
  }
  void pooled_image_convolution_gradient(const PooledImageConvolutionGradient& work) override {
    kernels_->pooled_image_convolution_gradient(work);
  }

  void convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) override {
    kernels_->convolution(shape, input, weights, output);
  }
  void convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient, const void* weights,
                                  void* input_gradient, bool add) override {
    kernels_->convolution_input_gradient(shape, output_gradient, weights, input_gradient, add);
  }
  [[nodiscard]] WeightGradientParts weight_gradient_parts(const DeviceConvolution& shape) const override {
    return kernels_->weight_gradient_parts(shape);
  }
  void convolution_weight_gradient(const DeviceConvolution& shape, const void* input, const void* output_gradient,
                                   float* parts) override {
    kernels_->convolution_weight_gradient(shape, input, output_gradient, parts);
  }
  [[nodiscard]] int dense_parts(const DeviceConvolution& shape) const override { return kernels_->dense_parts(shape); }
  void dense(const DeviceConvolution& shape, const void* input, const void* weights, float* parts) override {
    kernels_->dense(shape, input, weights, parts);
  }
  void sum_weight_parts(std::span<const WeightParts> all) override { kernels_->sum_weight_parts(all); }

  [[nodiscard]] int64_t channel_sum_parts(const DeviceExtent& extent) const override {
    return kernels_->channel_sum_parts(extent);
  }
  void use_channel_sum_parts(float* parts) override { kernels_->use_channel_sum_parts(parts); }
  void channel_sums(const ChannelSums& work) override { kernels_->channel_sums(work); }
  void normalize(const Normalize& work) override { kernels_->normalize(work); }
  void gradient_sums(const GradientSums& work) override { kernels_->gradient_sums(work); }
  void gradient_of_values(const GradientOfValues& work) override { kernels_->gradient_of_values(work); }
  void residual_sum(const ResidualSum& work) override { kernels_->residual_sum(work); }
  void residual_gradient(const DeviceExtent& extent, const void* output, void* gradient) override {
    kernels_->residual_gradient(extent, output, gradient);
  }

  void pass_values(int64_t size, const void* from, void* to, bool add) override {
    kernels_->pass_values(size, from, to, add);
  }

  void pool(const Pooling& shape, const void* input, void* output, uint8_t* winners) override {
    kernels_->pool(shape, input, output, winners);
  }
  void pool_gradient(const Pooling& shape, const void* output_gradient, const uint8_t* winners, void* input_gradient,
                     bool add) override {
    kernels_->pool_gradient(shape, output_gradient, winners, input_gradient, add);
  }
  void features(const Features& shape, const void* input, void* rows) override {
    kernels_->features(shape, input, rows);
  }
  void features_gradient(const Features& shape, const void* row_gradient, void* input_gradient) override {
    kernels_->features_gradient(shape, row_gradient, input_gradient);
  }
  void activate_rows(const ActivateRows& work) override { kernels_->activate_rows(work); }
  void activate_rows_gradient(const ActivateRows& work, void* gradient, float* bias_gradient) override {
    kernels_->activate_rows_gradient(work, gradient, bias_gradient);
  }

  void classify(const Classify& work) override { kernels_->classify(work); }
  void classify_gradient(const Classify& work, const ClassifySums& sums) override {
    kernels_->classify_gradient(work, sums);
  }

  void gradient_clip(const GradientClip& work) override { kernels_->gradient_clip(work); }
  void adam(const AdamStep& work) override { kernels_->adam(work); }
  void sgd(const SgdStep& work) override { kernels_->sgd(work); }
  void muon_directions(const MuonDirections& work) override { kernels_->muon_directions(work); }
  void muon_filters(const MuonFilters& work) override { kernels_->muon_filters(work); }

  [[nodiscard]] std::string choices() const override { return kernels_->choices(); }
  void use_choices(const std::string& choices) override { kernels_->use_choices(choices); }
  [[nodiscard]] std::string description() const override { return kernels_->description(); }

 protected:
  explicit ForwardedKernels(std::unique_ptr<DeviceKernels> kernels) : kernels_(std::move(kernels)) {}

  std::unique_ptr<DeviceKernels> kernels_;
};

}  // namespace fer_ddp
