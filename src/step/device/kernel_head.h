// The end of a network by a device's own kernels: global average pooling or flattening, dense layers with ReLU and
// dropout between them, softmax and loss (step/fused/stages/head.h has the formulas).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "network/network.h"
#include "step/device/device_feed.h"
#include "step/device/kernel_surroundings.h"

namespace fer_ddp {

class KernelHead {
 public:
  // layers: StagePlan::head. input: the last stage's values. All outlive this.
  KernelHead(const std::vector<const Layer*>& layers, KernelValues& input, const DeviceFeed& feed,
             const StepNumbers& numbers, KernelSurroundings& around, double label_smoothing);

  // Leaves the logits; in training also the gradients of its weights and of what it reads, and sums [2]: loss and
  // images called by their label.
  // The labels are `labels` [images], or, where that is null, those of the source's rows of `split_labels`.
  struct Truth {
    const int32_t* labels = nullptr;
    const float* targets = nullptr;  // [images][7]; null: the labels, smoothed
    const uint8_t* split_labels = nullptr;
    TeacherLogits teachers{};
  };
  void step(const KernelBatch& batch, const Truth& truth, float* sums);
  void evaluate(const KernelBatch& batch);
  [[nodiscard]] const at::Tensor& logits() const { return logits_; }  // fp32 [images, 7]

 private:
  // A dense layer, ReLU and dropout, or the last two alone: each row of what is before into one behind.
  struct Operation {
    const Layer* dense = nullptr;
    bool relu = false;
    const Layer* dropout = nullptr;
    int64_t kept_offset = 0;
    size_t rows = 0;  // that it reads; it writes the next
    at::Tensor parts{}, weight_parts{};
  };
  struct Rows {
    int64_t size = 0;
    at::Tensor values{}, gradient{};
  };

  void add_rows(int64_t size);
  void add_operations(const std::vector<const Layer*>& layers);
  [[nodiscard]] DeviceConvolution shape(const Operation& operation, int images) const;
  [[nodiscard]] ActivateRows activation(const Operation& operation, const KernelBatch& batch) const;
  [[nodiscard]] Classify classification(const KernelBatch& batch) const;
  void forward(const KernelBatch& batch);
  // Whether the classifier's kernels take the gradient through the last operation's ReLU and dropout.
  [[nodiscard]] bool joins_classifier(const Operation& operation) const;
  void backward(const KernelBatch& batch, const Operation& operation);

  KernelValues& input_;
  const DeviceFeed& feed_;
  const StepNumbers& numbers_;
  KernelSurroundings& around_;
  float label_smoothing_;
  bool averages_;
  const Layer* last_;  // the dense layer whose outputs are the logits
  int64_t dropped_units_ = 0;
  std::vector<Operation> operations_;
  std::vector<Rows> rows_;
  at::Tensor logits_, logit_gradient_, results_;
};

}  // namespace fer_ddp
