#include "status/messages.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>

namespace fer_ddp {

namespace {

v1::StopReason stop_reason_of(const std::string& name) {
  if (name == "epochs_done") return v1::STOP_REASON_EPOCHS_DONE;
  if (name == "early_stopping") return v1::STOP_REASON_EARLY_STOPPING;
  if (name == "stop_requested") return v1::STOP_REASON_STOP_REQUESTED;
  if (name == "diverged") return v1::STOP_REASON_DIVERGED;
  return v1::STOP_REASON_UNSPECIFIED;
}

std::string stop_reason_name_of(v1::StopReason reason) {
  switch (reason) {
    case v1::STOP_REASON_EPOCHS_DONE:
      return "epochs_done";
    case v1::STOP_REASON_EARLY_STOPPING:
      return "early_stopping";
    case v1::STOP_REASON_STOP_REQUESTED:
      return "stop_requested";
    case v1::STOP_REASON_DIVERGED:
      return "diverged";
    default:
      return "";
  }
}

// A missing metric is NaN in the record and absent in the message; a metric that is NaN by itself cannot be told from
// it here.
void fill_epoch(const EpochRecord& record, v1::EpochMetrics& message) {
  message.set_epoch(record.epoch);
  if (!std::isnan(record.loss)) message.set_loss(record.loss);
  if (!std::isnan(record.accuracy)) message.set_accuracy(record.accuracy);
  if (!std::isnan(record.val_loss)) message.set_val_loss(record.val_loss);
  if (!std::isnan(record.val_accuracy)) message.set_val_accuracy(record.val_accuracy);
  message.set_learning_rate(record.learning_rate);
  message.set_seconds(record.seconds);
  message.set_images_per_second(record.images_per_second);
}

// Of a service that may be anybody's: nothing in it commands the terminal that it is shown on.
std::string shown_text(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; }, '?');
  return text;
}

}  // namespace

EpochRecord record_of(const v1::EpochMetrics& message) {
  EpochRecord record;
  record.epoch = message.epoch();
  if (message.has_loss()) record.loss = message.loss();
  if (message.has_accuracy()) record.accuracy = message.accuracy();
  if (message.has_val_loss()) record.val_loss = message.val_loss();
  if (message.has_val_accuracy()) record.val_accuracy = message.val_accuracy();
  record.learning_rate = message.learning_rate();
  record.seconds = message.seconds();
  record.images_per_second = message.images_per_second();
  return record;
}

void fill_message(const StatusSnapshot& snapshot, v1::Status& message) {
  message.Clear();
  message.set_run(snapshot.run);
  message.set_phase(static_cast<v1::Phase>(snapshot.phase));
  message.set_epoch(snapshot.epoch);
  message.set_epochs(snapshot.epochs);
  message.set_step(snapshot.step);
  message.set_steps_per_epoch(snapshot.steps_per_epoch);
  message.set_learning_rate(snapshot.learning_rate);
  if (snapshot.loss) message.set_loss(*snapshot.loss);
  if (snapshot.accuracy) message.set_accuracy(*snapshot.accuracy);
  message.set_images_per_second(snapshot.images_per_second);
  if (snapshot.eta_seconds && std::isfinite(*snapshot.eta_seconds)) message.set_eta_seconds(*snapshot.eta_seconds);
  message.set_world_size(static_cast<int>(snapshot.ranks.size()));
  for (const RankPlace& place : snapshot.ranks) {
    v1::Rank& rank = *message.add_ranks();
    rank.set_rank(place.rank);
    rank.set_host(place.host);
    rank.set_device(place.device);
  }
  message.set_stop_reason(stop_reason_of(snapshot.stop_reason));
  if (snapshot.latest_epoch) fill_epoch(*snapshot.latest_epoch, *message.mutable_latest_epoch());
  if (snapshot.best_epoch_by_loss) fill_epoch(*snapshot.best_epoch_by_loss, *message.mutable_best_epoch_by_loss());
  if (snapshot.best_epoch_by_accuracy)
    fill_epoch(*snapshot.best_epoch_by_accuracy, *message.mutable_best_epoch_by_accuracy());
  message.set_elapsed_seconds(snapshot.elapsed_seconds);
}

void fill_message(const std::vector<EpochRecord>& history, v1::History& message) {
  message.Clear();
  for (const EpochRecord& record : history) fill_epoch(record, *message.add_epochs());
}

StatusSnapshot snapshot_of(const v1::Status& message) {
  StatusSnapshot snapshot;
  snapshot.run = shown_text(message.run());
  snapshot.phase = static_cast<RunPhase>(message.phase());
  snapshot.epoch = message.epoch();
  snapshot.epochs = message.epochs();
  snapshot.step = message.step();
  snapshot.steps_per_epoch = message.steps_per_epoch();
  snapshot.learning_rate = message.learning_rate();
  if (message.has_loss()) snapshot.loss = message.loss();
  if (message.has_accuracy()) snapshot.accuracy = message.accuracy();
  snapshot.images_per_second = message.images_per_second();
  if (message.has_eta_seconds()) snapshot.eta_seconds = message.eta_seconds();
  for (const v1::Rank& rank : message.ranks())
    snapshot.ranks.push_back({rank.rank(), shown_text(rank.host()), shown_text(rank.device())});
  snapshot.stop_reason = stop_reason_name_of(message.stop_reason());
  if (message.has_latest_epoch()) snapshot.latest_epoch = record_of(message.latest_epoch());
  if (message.has_best_epoch_by_loss()) snapshot.best_epoch_by_loss = record_of(message.best_epoch_by_loss());
  if (message.has_best_epoch_by_accuracy())
    snapshot.best_epoch_by_accuracy = record_of(message.best_epoch_by_accuracy());
  snapshot.elapsed_seconds = message.elapsed_seconds();
  return snapshot;
}

std::string message_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  static_cast<void>(google::protobuf::util::MessageToJsonString(message, &json, options));
  return json;
}

}  // namespace fer_ddp
