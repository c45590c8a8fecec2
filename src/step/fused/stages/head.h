// The end of a network for the fused engine: global average pooling or flattening, then dense layers with ReLU and
// dropout between them, softmax and cross-entropy against a distribution over the classes, forward and backward for a
// run of leaves at a time.
//
//   loss = -sum_k t_k log softmax(logits)_k;  dlogits = softmax(logits) - t
//
// and, where there are teachers at a temperature of their own, their part (step/teachers.h).
//
// A loss is rounded to a multiple of 2^-24, so that sums of losses are exact and do not depend on their order. Calls
// for different leaves may be made at once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/expressions.h"
#include "data/share_images.h"
#include "kernels/dense_product.h"
#include "step/fused/stages/stage.h"

namespace fer_ddp {

struct HeadResult {
  double loss = 0;  // sum over images
  int64_t correct = 0;
};

// One image's loss against its label, smoothed as Keras does.
[[nodiscard]] double smoothed_cross_entropy(const float* logits, int label, double smoothing);

// softmax(logits), [kExpressionCount].
void write_probabilities(const float* logits, float* probabilities);

class Head {
 public:
  // layers: StagePlan::head. dense: each dense layer's weights and bias, in order; `range`: all of them, in one piece.
  Head(const std::vector<const Layer*>& layers, Activation& input, int index, const std::vector<StageRanges>& dense,
       FlatRange range, const StageSurroundings& surroundings);

  [[nodiscard]] int64_t scratch_size() const;
  [[nodiscard]] FlatRange range() const { return range_; }
  // Values of an image that dropout decides about.
  [[nodiscard]] int64_t dropped_units() const { return dropped_units_; }

  // kept: [images][dropped_units()], 1 or 0; empty where nothing is dropped. Leaves the gradient of what it reads, the
  // sums asked for with it, and in StageSurroundings::parts those of its weights.
  HeadResult step(const LeafRun& run, const ShareImages& share, std::span<const uint8_t> kept, float gradient_scale);

  // Without dropout; logits [kExpressionCount] of each image of the run.
  void evaluate(const LeafRun& run, const std::function<void(int image, const float* logits)>& record);

 private:
  struct Operation {
    enum class Kind { kDense, kRelu, kDropout } kind;
    size_t rows = 0;       // that it reads, and but for a dense layer changes in place
    DenseSize size{};      // dense; of the others, inputs alone
    StageRanges ranges{};  // dense
    float kept_scale = 1;  // dropout
    int64_t kept_offset = 0;
  };
  struct Rows {  // [images][size]
    int size = 0;
    AlignedBuffer<float> values{}, gradient{};
    [[nodiscard]] float* of(int64_t image) { return values.data() + image * size; }
    [[nodiscard]] float* gradient_of(int64_t image) { return gradient.data() + image * size; }
  };

  void add_operation(const Layer& layer, const std::vector<StageRanges>& dense, size_t& next_dense);
  void add_rows(int64_t size);
  void read_features(const LeafRun& run);
  void write_input_gradient(const LeafRun& run);
  void forward(const LeafRun& run, std::span<const uint8_t> kept);
  void backward(const LeafRun& run, std::span<const uint8_t> kept);
  void drop(const Operation& operation, std::span<const uint8_t> kept, int64_t image, float* values) const;
  HeadResult classify(const LeafRun& run, const ShareImages& share, float gradient_scale);

  Activation& input_;
  bool averages_;
  bool owes_sums_;
  FlatRange range_;
  const StageSurroundings& around_;
  std::vector<Operation> operations_;
  std::vector<Rows> rows_;  // the features, and what each dense layer makes
  int64_t dropped_units_ = 0;
};

}  // namespace fer_ddp
