// A network as data: its layers with all their options, and the shape of what goes in and comes out of each. Tables
// (network/table.h) are its text. A plain value; engines compile it into what they run, and nothing here computes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "core/pixel_scale.h"

namespace fer_ddp {

// What one image is at some place of the network: an image of features [channels, height, width], or a row of them.
struct FeatureShape {
  int64_t channels = 0;
  int64_t height = 1;
  int64_t width = 1;
  bool flat = false;  // a row: height and width are 1

  [[nodiscard]] int64_t size() const { return channels * height * width; }
  [[nodiscard]] std::string text() const;  // "[64, 24, 24]", "[128]"
  friend bool operator==(const FeatureShape&, const FeatureShape&) = default;
};

struct Layer;

// One type for each kind of layer, with its options as PyTorch defines them.
namespace layer {

struct Convolution {  // with square kernels
  int64_t channels = 0;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 0;
  bool bias = true;
};
struct BatchNorm {
  double epsilon = 1e-5;
  double momentum = 0.1;          // the share of the new statistics in the running ones
  bool scale = true;              // false: the weight is all ones, stored but not trained
  bool unbiased_variance = true;  // the running variance takes the batch's times n / (n - 1)
};
struct Relu {};
struct MaxPool {  // the side is the stride; windows that do not fit whole are left out
  int64_t side = 0;
};
struct AveragePool {  // likewise
  int64_t side = 0;
};
struct GlobalAveragePool {};
struct Flatten {};  // channel, height, width
struct Dropout {
  double share = 0;
  int64_t number = 0;  // among the network's dropout layers, in the order of reading, from 0
};
struct Dense {
  int64_t units = 0;
  bool bias = true;
};
struct Residual {  // the sum of both; an empty shortcut is the identity
  std::vector<Layer> body;
  std::vector<Layer> shortcut;
};

}  // namespace layer

using LayerKind = std::variant<layer::Convolution, layer::BatchNorm, layer::Relu, layer::MaxPool, layer::AveragePool,
                               layer::GlobalAveragePool, layer::Flatten, layer::Dropout, layer::Dense, layer::Residual>;

struct Layer {
  LayerKind kind;
  std::string name;   // of a layer with weights, always; of another one, where the table names it
  std::string place;  // in the table, counted from 1: "3", or within the residual there "3.2", "3.shortcut.1"
  FeatureShape input;
  FeatureShape output;
};

// "convolution", "batch_norm", ...: as in a table.
[[nodiscard]] const char* kind_name(const LayerKind& kind);

struct Network {
  std::string name;
  PixelScale input = PixelScale::kUnit;
  std::vector<Layer> layers;
};

// Number j of an image's random stream decides value j of the first dropout layer, number n * 2^24 + j that of the n-th
// one: so many values a layer may have.
inline constexpr int64_t kDropoutNumbers = int64_t{1} << 24;

// Every layer in the order of reading: a residual before its body, and the body before its shortcut.
void for_each_layer(const std::vector<Layer>& layers, const std::function<void(const Layer&)>& visit);

// Additions and multiplications of the layer's convolution or dense product for one image, forward: two for each weight
// and position. 0 for all other kinds; a residual's layers count by themselves.
[[nodiscard]] double product_flop(const Layer& layer);

}  // namespace fer_ddp
