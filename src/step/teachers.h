// Distillation (Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015): a run that learns from
// trained networks has as its loss
//
//   (1 - w) H(t, softmax(z)) + w T^2 H(q, softmax(z / T)),  H(p, s) = -sum_k p_k log s_k
//
// of an image with the target t and the logits z; q is the mean over the teachers of softmax(their logits / T), of the
// same image as training changed and mixed it, each teacher with its own network's input and in evaluation mode. H is
// the cross-entropy, with q's own entropy in it, so that at T = 1 the loss is the one against the target
// (1 - w) t + w q. w and T: the configuration's distill_weight and distill_temperature.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "model/model.h"
#include "step/training_step.h"

namespace fer_ddp {

// A plain value, but for what the models hold.
class Teachers {
 public:
  // On the CPU, with the weights that they were trained to.
  explicit Teachers(std::vector<std::unique_ptr<Model>> models);

  [[nodiscard]] const std::vector<std::unique_ptr<Model>>& models() const { return models_; }

  // Of all tables and weights, in their order: what a checkpoint notes, and ranks agree on. 32 digits.
  [[nodiscard]] const std::string& hash() const { return hash_; }

 private:
  std::vector<std::unique_ptr<Model>> models_;
  std::string hash_;
};

// A step on the CPU that learns from teachers: asks them about each share before it hands that on with their answer. By
// the fused stages where `config` lets a step take them and the teacher's table fits, with the same bits at any number
// of ranks and threads; else by LibTorch's operators.
[[nodiscard]] std::unique_ptr<TrainingStep> make_distilling_step(std::unique_ptr<TrainingStep> step, Teachers& teachers,
                                                                 const Config& config);

}  // namespace fer_ddp
