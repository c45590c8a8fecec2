// The training step by LibTorch's autograd: any Model, on the CPU. Gradients land in the model's flat buffer and are
// summed over the ranks bucket by bucket while backward still runs; the mean over the global batch is taken in the
// loss.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "step/autograd/gradient_buckets.h"
#include "step/autograd/gradient_hooks.h"
#include "step/training_step.h"

namespace fer_ddp {

class AutogradStep final : public TrainingStep {
 public:
  // All three outlive the step.
  AutogradStep(Model& model, Optimizer& optimizer, Communicator& communicator, const Config& config);

  void begin_epoch(int, std::span<const int32_t>) override {}
  BatchSums run(const BatchShare& share, double learning_rate) override;
  BatchSums synchronize() override { return {}; }
  void reload() override {}
  [[nodiscard]] EvaluationSums evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                             std::span<ImagePrediction> predictions) override;
  [[nodiscard]] std::vector<float> probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                                 const ImageView& view) override;

 private:
  BatchSums forward_and_backward(const BatchShare& share);
  void update(double learning_rate);

  Model& model_;
  Optimizer& optimizer_;
  GradientBuckets buckets_;
  SumOverRanks sum_statistics_;
  double label_smoothing_;
  GradientHooks hooks_;
};

// Mean cross-entropy's numerator: the sum over the images, with Keras' label smoothing. logits [n, 7]; targets:
// labels [n] int64, or probabilities [n, 7] fp32.
[[nodiscard]] at::Tensor summed_loss(const at::Tensor& logits, const at::Tensor& targets, double label_smoothing);

// The part of that loss which is against teachers at a temperature (step/teachers.h): weight * temperature^2 times the
// sum over the images of H(probabilities, softmax(logits / temperature)). probabilities: [n, 7] fp32.
[[nodiscard]] at::Tensor summed_teacher_loss(const at::Tensor& logits, const at::Tensor& probabilities, double weight,
                                             double temperature);

// A share's labels, int64 [n], and what its loss is taken against, fp32 [n, 7]; both on the CPU.
[[nodiscard]] at::Tensor labels_of(const ShareImages& images);
[[nodiscard]] at::Tensor targets_of(const ShareImages& images);

}  // namespace fer_ddp
