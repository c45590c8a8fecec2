// The weights of the epochs that a run is asked about when it is over: those that early stopping keeps, those of the
// lowest validation loss and of the highest validation accuracy (core/epoch_record.h says which epochs these are). Each
// epoch's weights are held once, whatever it is singled out for.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/epoch_record.h"
#include "model/model.h"
#include "model/safetensors.h"

namespace fer_ddp {

struct KeptEpoch {
  int epoch = 0;
  std::shared_ptr<const StoredTensors> weights;
};

struct KeptWeights {
  std::optional<KeptEpoch> best{};              // early stopping's
  std::optional<KeptEpoch> lowest_loss{};       // none: no epoch was validated, or an older fer-ddp did not keep them
  std::optional<KeptEpoch> highest_accuracy{};  // likewise

  // Copies the model's weights if they are those of the best epoch, or if the last one of `history`, whose they are,
  // has the lowest loss or the highest accuracy so far. Those that they replace are freed first, unless a checkpoint
  // that holds them is still being written.
  void keep(std::span<const EpochRecord> history, bool is_best, const Model& model);

  // Those of an epoch, if they are here.
  [[nodiscard]] std::shared_ptr<const StoredTensors> weights_of(int epoch) const;
};

// One that a run might have ended with.
struct CandidateEpoch {
  int epoch = 0;
  bool lowest_loss = false;
  bool highest_accuracy = false;
  bool early_stopping_best = false;
  bool last = false;
  std::shared_ptr<const StoredTensors> weights{};  // null: not kept
};

// Each epoch that is one of these, once, and `ending`, whose weights the run ends with, as the last. `last`: the last
// epoch with its weights; none where these are of no use.
[[nodiscard]] std::vector<CandidateEpoch> candidate_epochs(std::span<const EpochRecord> history,
                                                           const KeptWeights& kept,
                                                           const std::optional<KeptEpoch>& last, int ending);

}  // namespace fer_ddp
