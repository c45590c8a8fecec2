#include "launcher/run_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "core/json_text.h"
#include "core/run_layout.h"
#include "core/text.h"
#include "launcher/run_reader.h"
#include "model/weights.h"
#include "report/confusion_picture.h"
#include "report/html_report.h"
#include "report/predictions.h"
#include "report/tensorboard.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// "..., weights of epoch 8, test accuracy 0.5103 (0.5011 without copies), loss 1.2899"
std::string outcome_words(const RunResult& result) {
  std::string words;
  if (result.restored_epoch) words += fmt::format(", weights of epoch {}", *result.restored_epoch + 1);
  if (result.test) {
    words += ", test accuracy " + fixed_text(result.test->accuracy());
    if (result.test->copies() > 0)
      words += fmt::format(" ({} without copies)", fixed_text(result.test->without_copies->accuracy()));
    words += ", loss " + fixed_text(result.test->loss);
  } else if (result.has_weights)
    words += ", not tested: no test images";
  return words;
}

// By a name that says what they are; none for those that model.safetensors or nobody holds.
std::optional<std::string> weights_file(const CandidateEpoch& candidate, bool kept) {
  if (kept) return run_file::kModel;
  if (!candidate.weights) return std::nullopt;
  if (candidate.lowest_loss) return run_file::kLowestLoss;
  if (candidate.highest_accuracy) return run_file::kHighestAccuracy;
  return std::nullopt;
}

RunCandidate candidate_of(const TestedEpoch& tested, const EpochRecord& record, bool kept) {
  RunCandidate candidate{.epoch = tested.candidate.epoch,
                         .lowest_loss = tested.candidate.lowest_loss,
                         .highest_accuracy = tested.candidate.highest_accuracy,
                         .early_stopping_best = tested.candidate.early_stopping_best,
                         .last = tested.candidate.last,
                         .kept = kept,
                         .val_loss = record.val_loss,
                         .val_accuracy = record.val_accuracy,
                         .weights = weights_file(tested.candidate, kept)};
  if (tested.test) {
    const Evaluation& test = tested.test->evaluation;
    candidate.test = Score{.loss = test.loss, .images = test.images, .correct = test.correct()};
    candidate.without_copies = test.without_copies;
  }
  return candidate;
}

PairedCounts right_apart(const std::vector<ImagePrediction>& first, const std::vector<ImagePrediction>& second) {
  PairedCounts counts;
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i].is_right() && !second[i].is_right()) ++counts.only_first;
    if (second[i].is_right() && !first[i].is_right()) ++counts.only_second;
  }
  return counts;
}

void add_candidates(const TrainingState& state, const std::vector<TestedEpoch>& candidates, RunResult& result) {
  std::vector<const TestedEpoch*> by_epoch(candidates.size());
  std::transform(candidates.begin(), candidates.end(), by_epoch.begin(),
                 [](const TestedEpoch& tested) { return &tested; });
  std::sort(by_epoch.begin(), by_epoch.end(), [](const TestedEpoch* one, const TestedEpoch* other) {
    return one->candidate.epoch < other->candidate.epoch;
  });
  for (const TestedEpoch* tested : by_epoch)
    result.candidates.push_back(candidate_of(*tested, state.history[static_cast<size_t>(tested->candidate.epoch)],
                                             tested == &candidates.back()));
  for (size_t first = 0; first < by_epoch.size(); ++first)
    for (size_t second = first + 1; second < by_epoch.size(); ++second)
      if (by_epoch[first]->test && by_epoch[second]->test)
        result.comparisons.push_back(
            {.first_epoch = by_epoch[first]->candidate.epoch,
             .second_epoch = by_epoch[second]->candidate.epoch,
             .right = right_apart(by_epoch[first]->test->predictions, by_epoch[second]->test->predictions)});
}

std::string predictions_text(const Dataset& dataset, const std::vector<ImagePrediction>& predictions) {
  const SplitView& split = dataset.split(Split::kTest);
  const std::vector<int32_t>& copies = dataset.copies(Split::kTest);
  std::vector<TestPrediction> lines;
  for (size_t row = 0; row < predictions.size(); ++row)
    lines.push_back({.row = split.source_rows[row],
                     .said = predictions[row],
                     .copy = std::binary_search(copies.begin(), copies.end(), static_cast<int32_t>(row))});
  return predictions_csv(lines);
}

// In an event file of their own, at the last epoch.
void add_tensorboard_pictures(const fs::path& folder, const ReportRun& run) {
  std::vector<std::pair<const char*, std::string>> pictures = {{"faces/training", run.faces_png},
                                                               {"faces/as_the_network_sees_them", run.seen_png}};
  if (run.result->test) pictures.emplace_back("confusion/test", confusion_png(*run.result->test));
  std::erase_if(pictures, [](const auto& picture) { return picture.second.empty(); });
  if (pictures.empty()) return;
  const int last = run.result->final_epoch.value_or(0);
  TensorBoardWriter writer(folder, last + 1);
  for (const auto& [tag, png] : pictures) writer.add_picture(tag, last, png);
}

}  // namespace

RunResult result_of(const Trainer& trainer, const TrainingOutcome& outcome, const Model& model,
                    const std::vector<RankPlace>& places, const std::string& started) {
  const TrainingState& state = trainer.state();
  int64_t parameters = static_cast<int64_t>(model.store().size());
  for (const Buffer& buffer : model.buffers()) parameters += buffer.value.numel();
  RunResult result{.stop_reason = stop_reason_name(state.stop_reason),
                   .epochs_run = static_cast<int>(state.history.size()),
                   .best_epoch_by_loss = best_epoch_by_loss(state.history),
                   .best_epoch_by_accuracy = best_epoch_by_accuracy(state.history),
                   .final_epoch = state.history.empty() ? std::nullopt : std::optional(state.history.back().epoch),
                   .restored_epoch = outcome.restored_epoch,
                   .has_weights = outcome.has_weights,
                   .test = outcome.test,
                   .seconds = trainer.run_seconds(),
                   .world_size = static_cast<int>(places.size()),
                   .parameters = parameters,
                   .ranks = places,
                   .started = started,
                   .finished = timestamp_now()};
  if (const std::string choices = trainer.device_choices(); !choices.empty()) result.device_choices = choices;
  if (!outcome.candidates.empty()) add_candidates(state, outcome.candidates, result);
  return result;
}

bool has_diverged(const RunResult& result) { return result.stop_reason == stop_reason_name(StopReason::kDiverged); }

void write_results(const Config& config, const Model& model, const Dataset& dataset, const TrainingOutcome& outcome,
                   const RunResult& result, const PublishCheck& check, RunLog& log) {
  const fs::path folder = config.output;
  // Of an earlier end of the run there may be others.
  std::vector<std::string> stale = {run_file::kModel, run_file::kRawModel, run_file::kLowestLoss,
                                    run_file::kHighestAccuracy, run_file::kPredictions};
  const auto write_weights = [&](const char* name, const TensorSources& tensors) {
    write_file_atomically(
        folder / name,
        [&](const ByteSink& to) {
          write_safetensors(tensors, {{"format", "pt"}}, to);
        },
        check);
    std::erase(stale, name);
  };
  if (outcome.raw_weights) write_weights(run_file::kRawModel, sources_of(*outcome.raw_weights));
  if (result.has_weights) write_weights(run_file::kModel, weight_sources(model));
  for (const TestedEpoch& tested : outcome.candidates) {
    const auto file = weights_file(tested.candidate, &tested == &outcome.candidates.back());
    if (file && *file != run_file::kModel) write_weights(file->c_str(), sources_of(*tested.candidate.weights));
  }
  if (outcome.test) {
    write_file_atomically(folder / run_file::kPredictions,
                          predictions_text(dataset, outcome.candidates.back().test->predictions), check);
    std::erase(stale, run_file::kPredictions);
  }
  write_file_atomically(folder / run_file::kResult, json_text(run_result_to_json(result), 2) + "\n", check);
  if (check) check();
  for (const std::string& name : stale) fs::remove(folder / name);
  // Read back, as the report of it at any later time is.
  const std::array<ReportRun, 1> runs = {read_run(folder, log)};
  write_file_atomically(folder / run_file::kReport, html_report(runs), check);
  add_tensorboard_pictures(folder, runs[0]);
  log.info("done",
           has_diverged(result)
               ? std::string()
               : fmt::format("done ({}) in {}{}\nreport: {}", result.stop_reason, human_duration(result.seconds),
                             outcome_words(result), (folder / run_file::kReport).string()),
           run_result_to_json(result));
}

AgreedError diverged(const std::string& where, const RunResult& result) {
  const std::string kept = result.has_weights
                               ? fmt::format("model.safetensors holds the weights of epoch {}, its best.",
                                             result.restored_epoch.value_or(0) + 1)
                               : "There are no weights: no epoch was its best before.";
  return {Fault::kMachine,
          fmt::format("{}: the run diverged in epoch {}: its training loss or its weights are not finite", where,
                      result.epochs_run + 1),
          kept + " Start it anew by --overwrite with a lower learning_rate, or look at the data."};
}

}  // namespace fer_ddp
