// A model with its optimizer and all else that a checkpoint is of.
#pragma once

#include <memory>
#include <string>

#include "train/checkpoint.h"

namespace fer_ddp {

struct CheckpointParts {
  Config config{};
  std::unique_ptr<Model> model = make_model(config);
  std::unique_ptr<Optimizer> optimizer = make_optimizer(config, model->store().layout());
  TrainingState state{};
  DecisionMaker decisions{config};
  KeptWeights kept{};
  std::string data_checksum = "data";

  Checkpointed all() { return {state, *model, *optimizer, decisions, kept, data_checksum}; }

  // One more epoch, whose weights begin with its number, as does each slot.
  void train(double val_loss, double val_accuracy) {
    const int epoch = state.epoch++;
    state.history.push_back({.epoch = epoch, .val_loss = val_loss, .val_accuracy = val_accuracy});
    if (epoch == 0) state.best_epoch = 0;
    model->store().weights()[0] = static_cast<float>(epoch);
    for (Optimizer::Slot& slot : optimizer->slots()) slot.values[0] = static_cast<float>(epoch);
    kept.keep(state.history, epoch == 0, *model);
  }
};

}  // namespace fer_ddp
