// What a device's kernels work with, beside a stage's own values: the model's tensors by name, scratch, and the parts
// of weights' gradients until they are added up; and a network's normalisations, whose sums go over the ranks between
// two kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "model/model.h"
#include "network/network.h"
#include "step/device/device_kernels.h"

namespace fer_ddp {

// A rank's share of a global batch, or images to be evaluated.
struct KernelBatch {
  int images = 0;
  int64_t statistics_images = 0;  // that normalisations' statistics are of
  bool training = true;
};

// A convolution layer's shapes, of so many images.
[[nodiscard]] DeviceConvolution convolution_of(const Layer& layer, int images);

// `parts` of the weights' gradient of this shape, as they are to be added up to `gradient`, as the weights lie.
[[nodiscard]] WeightParts sum_of_parts(const DeviceConvolution& shape, const WeightGradientParts& kind,
                                       const float* parts, float* gradient);
// Whether there is nothing to be added up: the one part may be written to the gradient's own place.
[[nodiscard]] inline bool is_gradient_itself(const WeightGradientParts& kind) {
  return kind.count == 1 && !kind.is_turned;
}

// What a stage leaves for its readers, and what they leave for it.
struct KernelValues {
  FeatureShape shape;
  void* values = nullptr;
  ChannelMap map{};  // that readers apply
  void* gradient = nullptr;
  bool has_gradient = false;  // in this step's backward: a reader has written it, the next ones add

  [[nodiscard]] DeviceExtent extent(int images) const {
    return {images, static_cast<int>(shape.height), static_cast<int>(shape.width), static_cast<int>(shape.channels)};
  }
};

// Where stages find what they work with. All outlives them.
struct KernelSurroundings {
  DeviceKernels& kernels;
  Model& model;                // the device's
  ImageSource source{};        // of the batch's images
  void* weight_values;         // the flat weights as the kernels' values
  at::Tensor next_statistics;  // as Model::flat_buffers(): those behind the step
  SumOverRanks sum_statistics;
  int64_t most_images = 0;
  bool trains = true;                       // else stages and rows have no memory for gradients
  std::vector<WeightParts> weight_parts{};  // of the step's backward, to be added up at its end
  at::Tensor value_gradient{};              // scratch for one stage's z, as large as the largest
  int64_t value_gradient_size = 0;          // what it must hold, in values

  [[nodiscard]] at::Tensor make_values(int64_t count) const;  // of the kernels' type, aligned, as bytes
  [[nodiscard]] at::Tensor make_floats(int64_t count) const;
  // Parameters by name; null where the model has none of that name.
  [[nodiscard]] const float* weights(const std::string& name) const;
  [[nodiscard]] float* gradient(const std::string& name) const;
  [[nodiscard]] const void* values_of(const std::string& name) const;
  // Parts for the weights' gradient of this layer: `room`, or, where there is one as the weights lie, its own place.
  [[nodiscard]] float* take_weight_parts(const at::Tensor& room, const DeviceConvolution& shape,
                                         const std::string& name);
  void add_weight_parts(const WeightParts& parts) { weight_parts.push_back(parts); }
};

// A batch_norm layer: its parameters, statistics and sums.
class KernelNormalization {
 public:
  // `bias` is a convolution's in front of it; null: none.
  KernelNormalization(KernelSurroundings& around, const Layer& layer, const float* bias);

  [[nodiscard]] ChannelMap map(const KernelBatch& batch) const;
  [[nodiscard]] float* sums() const { return sums_.data_ptr<float>(); }
  [[nodiscard]] float count(const KernelBatch& batch) const;
  void sum_over_ranks() const;
  // Sums of the gradient, over the ranks, and with them the gradients of its parameters.
  void take_gradient_sums(const ValueGradient& of) const;
  [[nodiscard]] const float* gradient_sums() const { return gradient_sums_.const_data_ptr<float>(); }

 private:
  KernelSurroundings& around_;
  int64_t positions_;
  at::Tensor sums_, gradient_sums_, moments_;
  ChannelMap batch_, running_;
  float* gamma_gradient_;
  float* beta_gradient_;
};

}  // namespace fer_ddp
