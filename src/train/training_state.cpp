#include "train/training_state.h"

#include "core/exact_number.h"
#include "core/json_reader.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

ordered_json record_to_json(const EpochRecord& record) {
  return {{"epoch", record.epoch},
          {"loss", exact_number(record.loss)},
          {"accuracy", exact_number(record.accuracy)},
          {"val_loss", exact_number(record.val_loss)},
          {"val_accuracy", exact_number(record.val_accuracy)},
          {"learning_rate", exact_number(record.learning_rate)},
          {"seconds", exact_number(record.seconds)},
          {"images_per_second", exact_number(record.images_per_second)}};
}

EpochRecord record_from_json(const ordered_json& json) {
  EpochRecord record;
  record.epoch = whole_number<int>(json.at("epoch"));
  record.loss = exact_value(json.at("loss"));
  record.accuracy = exact_value(json.at("accuracy"));
  record.val_loss = exact_value(json.at("val_loss"));
  record.val_accuracy = exact_value(json.at("val_accuracy"));
  record.learning_rate = exact_value(json.at("learning_rate"));
  record.seconds = exact_value(json.at("seconds"));
  record.images_per_second = exact_value(json.at("images_per_second"));
  return record;
}

}  // namespace

ordered_json state_to_json(const TrainingState& state) {
  ordered_json history = ordered_json::array();
  for (const EpochRecord& record : state.history) history.push_back(record_to_json(record));
  const EpochProgress& progress = state.progress;
  return {{"epoch", state.epoch},
          {"step", state.step},
          {"learning_rate", exact_number(state.learning_rate)},
          {"progress",
           {{"loss", exact_number(progress.loss)},
            {"correct", progress.correct},
            {"images", progress.images},
            {"training_seconds", progress.training_seconds},
            {"seconds", progress.seconds}}},
          {"best_epoch", state.best_epoch ? ordered_json(*state.best_epoch) : ordered_json(nullptr)},
          {"stop_reason", static_cast<int>(state.stop_reason)},
          {"earlier_seconds", state.earlier_seconds},
          {"history", history}};
}

TrainingState state_from_json(const ordered_json& json) {
  TrainingState state;
  state.epoch = whole_number<int>(json.at("epoch"));
  state.step = whole_number<int64_t>(json.at("step"));
  state.learning_rate = exact_value(json.at("learning_rate"));
  const ordered_json& progress = json.at("progress");
  state.progress = {.loss = exact_value(progress.at("loss")),
                    .correct = whole_number<int64_t>(progress.at("correct")),
                    .images = whole_number<int64_t>(progress.at("images")),
                    .training_seconds = progress.at("training_seconds").get<double>(),
                    .seconds = progress.at("seconds").get<double>()};
  if (!json.at("best_epoch").is_null()) state.best_epoch = whole_number<int>(json.at("best_epoch"));
  state.stop_reason = static_cast<StopReason>(whole_number<int>(json.at("stop_reason")));
  state.earlier_seconds = json.at("earlier_seconds").get<double>();
  for (const ordered_json& record : json.at("history")) state.history.push_back(record_from_json(record));
  return state;
}

}  // namespace fer_ddp
