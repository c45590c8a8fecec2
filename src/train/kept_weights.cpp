#include "train/kept_weights.h"

#include <algorithm>

#include "model/weights.h"

namespace fer_ddp {

namespace {

bool is_of(const std::optional<KeptEpoch>& kept, int epoch) { return kept && kept->epoch == epoch; }

}  // namespace

void KeptWeights::keep(std::span<const EpochRecord> history, bool is_best, const Model& model) {
  const int epoch = history.back().epoch;
  std::vector<std::optional<KeptEpoch>*> places;
  if (is_best) places.push_back(&best);
  if (best_epoch_by_loss(history) == epoch) places.push_back(&lowest_loss);
  if (best_epoch_by_accuracy(history) == epoch) places.push_back(&highest_accuracy);
  if (places.empty()) return;
  for (auto* place : places) place->reset();
  const KeptEpoch kept{epoch, std::make_shared<const StoredTensors>(copy_weights(model))};
  for (auto* place : places) *place = kept;
}

std::shared_ptr<const StoredTensors> KeptWeights::weights_of(int epoch) const {
  for (const std::optional<KeptEpoch>* kept : {&best, &lowest_loss, &highest_accuracy})
    if (is_of(*kept, epoch)) return (*kept)->weights;
  return nullptr;
}

std::vector<CandidateEpoch> candidate_epochs(std::span<const EpochRecord> history, const KeptWeights& kept,
                                             const std::optional<KeptEpoch>& last, int ending) {
  const std::optional<int> by_loss = best_epoch_by_loss(history);
  const std::optional<int> by_accuracy = best_epoch_by_accuracy(history);
  std::vector<CandidateEpoch> candidates;
  for (const EpochRecord& record : history) {
    CandidateEpoch candidate{.epoch = record.epoch,
                             .lowest_loss = by_loss == record.epoch,
                             .highest_accuracy = by_accuracy == record.epoch,
                             .early_stopping_best = is_of(kept.best, record.epoch),
                             .last = is_of(last, record.epoch),
                             .weights = kept.weights_of(record.epoch)};
    if (candidate.last) candidate.weights = last->weights;
    if (candidate.lowest_loss || candidate.highest_accuracy || candidate.early_stopping_best || candidate.last)
      candidates.push_back(std::move(candidate));
  }
  std::stable_partition(candidates.begin(), candidates.end(),
                        [ending](const CandidateEpoch& candidate) { return candidate.epoch != ending; });
  return candidates;
}

}  // namespace fer_ddp
