// A network as the trainer sees it, made of a table: images in, logits out, parameters in a flat store, buffers beside
// them. Its layers are LibTorch's operators and this project's autograd functions. Forward in training also says where
// in the run it stands, so that dropout and global BatchNorm statistics do not depend on the world size.
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
#include "network/network.h"

namespace fer_ddp {

// Adds up over all ranks, in place: fp64 in the host's memory, or fp32 in that of the images' device. The identity for
// statistics that are local to a rank. Made of anything that can be called with either.
class SumOverRanks {
 public:
  SumOverRanks() = default;
  template <typename Function>
  requires(!std::is_same_v<std::remove_cvref_t<Function>, SumOverRanks>)
      SumOverRanks(Function function)  // NOLINT(google-explicit-constructor): as std::function's
      : doubles_(function), floats_(function) {}

  void operator()(std::span<double> values) const { doubles_(values); }
  void operator()(std::span<float> values) const { floats_(values); }

 private:
  std::function<void(std::span<double>)> doubles_;
  std::function<void(std::span<float>)> floats_;
};

struct ForwardContext {
  bool training = false;
  int epoch = 0;
  int64_t first_position = 0;     // in the epoch's order, of this rank's first image
  SumOverRanks sum_statistics{};  // training only

  // Layers made of LibTorch's operators, which run on any device, instead of this project's CPU kernels. The same
  // numbers within rounding.
  bool tensor_operators = false;
  // Training only: which values dropout keeps, as draw_kept_units() gives them, on the images' device. Undefined: drawn
  // in forward, on the CPU.
  at::Tensor kept_units{};
};

// A tensor that is saved but not trained: BatchNorm's running statistics. fp32, contiguous; a piece of a flat buffer.
struct Buffer {
  std::string name;
  at::Tensor value;
};

class Model {
 public:
  // All parameters zero, buffers as a run starts with them, on `device`; config's precision and random_seed.
  Model(const Network& network, const Config& config, at::Device device);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // images: [n, 1, 48, 48] fp32, as step/input_images.h makes them; returns logits [n, 7] fp32. n may be 0 in training.
  [[nodiscard]] at::Tensor forward(const at::Tensor& images, const ForwardContext& context) const;

  // Which values dropout keeps of the images at positions first_position onwards of an epoch's order: uint8
  // [images, dropped_units()], 1 or 0, on the CPU; a pure function of the run's seed, the epoch and the position.
  // Undefined where nothing is dropped.
  [[nodiscard]] at::Tensor draw_kept_units(int epoch, int64_t first_position, int64_t images) const;

  // Values of an image that dropout decides about: of all dropout layers that drop any, in the order of reading.
  [[nodiscard]] int64_t dropped_units() const { return dropped_units_; }

  [[nodiscard]] const Network& network() const { return network_; }
  [[nodiscard]] ParameterStore& store() { return store_; }
  [[nodiscard]] const ParameterStore& store() const { return store_; }
  [[nodiscard]] const std::vector<Buffer>& buffers() const { return buffers_; }

  // Where config.average_weights asks for averages: those of buffers(), which begin as these are; else none.
  [[nodiscard]] const std::vector<Buffer>& averaged_buffers() const { return averaged_buffers_; }

  // The memory of all buffers() one after the other, and that of averaged_buffers() in the same order; fp32.
  [[nodiscard]] const at::Tensor& flat_buffers() const { return flat_buffers_; }
  [[nodiscard]] const at::Tensor& flat_averaged_buffers() const { return flat_averaged_buffers_; }
  void begin_averages();
  // average += share * (buffer - average). share: fp32 [], on the model's device.
  void average_buffers(const at::Tensor& share);
  void average_buffers(double share);

  // Names and shapes of all parameters and buffers as one text: ranks compare it before the first step.
  [[nodiscard]] std::string description() const;

 private:
  friend class ForwardPass;

  struct DropoutPlace {
    int64_t number;  // among the table's dropout layers
    float share;
    int64_t offset, size;  // among an image's dropped_units()
  };

  Network network_;
  at::ScalarType precision_;
  uint64_t random_seed_;
  ParameterStore store_;
  std::vector<Buffer> buffers_;
  std::vector<Buffer> averaged_buffers_;
  at::Tensor flat_buffers_;
  at::Tensor flat_averaged_buffers_;
  std::map<std::string, at::Tensor> tensors_;  // parameters and buffers by name
  std::vector<DropoutPlace> dropouts_;
  int64_t dropped_units_ = 0;
};

// The network, its parameters drawn by config.init and config.random_seed (or read from the file named there).
[[nodiscard]] std::unique_ptr<Model> make_model(const Network& network, const Config& config);

// That of config.model, by configured_network().
[[nodiscard]] std::unique_ptr<Model> make_model(const Config& config);

}  // namespace fer_ddp
