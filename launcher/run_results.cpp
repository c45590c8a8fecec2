#include "launcher/run_results.h"

#include <fmt/format.h>

#include <array>

#include "core/json_text.h"
#include "core/run_layout.h"
#include "core/text.h"
#include "launcher/run_reader.h"
#include "model/weights.h"

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

}  // namespace

RunResult result_of(const Trainer& trainer, const TrainingOutcome& outcome, const Model& model,
                    const std::vector<RankPlace>& places, const std::string& started) {
  const TrainingState& state = trainer.state();
  int64_t parameters = static_cast<int64_t>(model.store().size());
  for (const Buffer& buffer : model.buffers()) parameters += buffer.value.numel();
  return {.stop_reason = stop_reason_name(state.stop_reason),
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
}

bool has_diverged(const RunResult& result) { return result.stop_reason == stop_reason_name(StopReason::kDiverged); }

void write_results(const Config& config, const Model& model, const std::optional<StoredTensors>& raw_weights,
                   const RunResult& result, const PublishCheck& check, RunLog& log) {
  const fs::path folder = config.output;
  const auto write_weights = [&](const char* name, const TensorSources& tensors) {
    write_file_atomically(
        folder / name,
        [&](const ByteSink& to) {
          write_safetensors(tensors, {{"format", "pt"}}, to);
        },
        check);
  };
  if (raw_weights) write_weights(run_file::kRawModel, sources_of(*raw_weights));
  if (result.has_weights) write_weights(run_file::kModel, weight_sources(model));
  write_file_atomically(folder / run_file::kResult, json_text(run_result_to_json(result), 2) + "\n", check);
  const std::array<fs::path, 1> runs = {folder};
  write_report(runs, folder / run_file::kReport, log, check);
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
