// A network as the trainer sees it: images in, logits out, parameters in a flat store, buffers beside them. Forward in
// training also says where in the run it stands, so that dropout and global BatchNorm statistics do not depend on the
// world size.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "model/parameter_store.h"

namespace fer_ddp {

// Adds up over all ranks, in place. The identity for statistics that are local to a rank.
using SumOverRanks = std::function<void(std::span<double>)>;

struct ForwardContext {
  bool training = false;
  int epoch = 0;
  int64_t first_position = 0;     // in the epoch's order, of this rank's first image
  SumOverRanks sum_statistics{};  // training only; sees memory of the images' device

  // Layers made of LibTorch's operators, which run on any device, instead of this project's CPU kernels. The same
  // numbers within rounding.
  bool tensor_operators = false;
  // Training only: which units dropout keeps, as draw_kept_units() gives them, on the images' device. Undefined: drawn
  // in forward, on the CPU.
  at::Tensor kept_units{};
};

// A tensor that is saved but not trained: BatchNorm's running statistics. fp32, contiguous.
struct Buffer {
  std::string name;
  at::Tensor value;
};

class Model {
 public:
  Model(const std::vector<ParameterSpec>& specs, at::Device device) : store_(specs, device) {}
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  // images: [n, 1, 48, 48] fp32 in [0, 1] with channels_last strides; returns logits [n, 7] fp32. n may be 0 in
  // training.
  virtual at::Tensor forward(const at::Tensor& images, const ForwardContext& context) = 0;

  // Which units dropout keeps of the images at positions first_position onwards of an epoch's order: uint8
  // [images, units], 1 or 0, on the CPU; a pure function of the run's seed, the epoch and the position. Undefined where
  // nothing is dropped.
  [[nodiscard]] virtual at::Tensor draw_kept_units(int epoch, int64_t first_position, int64_t images) const = 0;

  [[nodiscard]] ParameterStore& store() { return store_; }
  [[nodiscard]] const ParameterStore& store() const { return store_; }
  [[nodiscard]] const std::vector<Buffer>& buffers() const { return buffers_; }

  // Names and shapes of all parameters and buffers as one text: ranks compare it before the first step.
  [[nodiscard]] std::string description() const;

 protected:
  at::Tensor add_buffer(const std::string& name, int64_t size, float fill);

 private:
  ParameterStore store_;
  std::vector<Buffer> buffers_;
};

// The network of config.model, its parameters drawn by config.init and config.random_seed (or read from the file named
// there).
[[nodiscard]] std::unique_ptr<Model> make_model(const Config& config);

// The same network with all parameters zero, on `device`: to be filled from another one.
[[nodiscard]] std::unique_ptr<Model> make_empty_model(const Config& config, at::Device device);

// Grey bytes, `count` images of 48 x 48, as forward's input: / 255, fp32, with genuine channels_last strides (for one
// channel `contiguous(ChannelsLast)` would do nothing and the convolution would run in NCHW). `gather(i)` gives the
// i-th image.
[[nodiscard]] at::Tensor normalized_images(int64_t count, const std::function<const uint8_t*(int64_t)>& gather);

}  // namespace fer_ddp
