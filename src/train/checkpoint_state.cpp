#include "train/checkpoint_state.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/exact_number.h"
#include "core/json_reader.h"

namespace fer_ddp {

using Json = nlohmann::ordered_json;

namespace {

constexpr int kFormatVersion = 2;
constexpr int64_t kMostEpochs = 1'000'000'000;  // so that counting on from there stays within an int
constexpr int64_t kMostSteps = std::numeric_limits<int64_t>::max() / 2;

// A value of the document, with where it stands.
class Value {
 public:
  Value(const Json& json, std::string place, const std::string& source)
      : json_(json), place_(std::move(place)), source_(source) {}

  [[nodiscard]] Value operator[](const char* key) const {
    const std::string place = place_.empty() ? key : place_ + "." + key;
    if (!json_.is_object()) throw refusal("an object");
    const auto found = json_.find(key);
    if (found == json_.end()) throw unusable(fmt::format("{} is missing", place));
    return {*found, place, source_};
  }

  [[nodiscard]] bool holds(const char* key) const { return json_.is_object() && json_.contains(key); }

  [[nodiscard]] Value at(size_t index) const { return {json_[index], fmt::format("{}[{}]", place_, index), source_}; }

  [[nodiscard]] size_t array_size() const {
    if (!json_.is_array()) throw refusal("an array");
    return json_.size();
  }

  [[nodiscard]] bool is_null() const { return json_.is_null(); }

  [[nodiscard]] bool truth() const {
    if (!json_.is_boolean()) throw refusal("true or false");
    return json_.get<bool>();
  }

  [[nodiscard]] std::string text() const {
    if (!json_.is_string()) throw refusal("a text");
    return json_.get<std::string>();
  }

  [[nodiscard]] int64_t whole(int64_t low, int64_t high) const {
    const bool fits = json_.is_number_integer() &&
                      (!json_.is_number_unsigned() ||
                       json_.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
    const int64_t value = fits ? json_.get<int64_t>() : 0;
    if (!fits || value < low || value > high) throw refusal(fmt::format("a whole number from {} to {}", low, high));
    return value;
  }

  [[nodiscard]] int count(int64_t high = kMostEpochs) const { return static_cast<int>(whole(0, high)); }

  // NaN and the infinities are numbers here too.
  [[nodiscard]] double number() const {
    try {
      return exact_value(json_);
    } catch (const nlohmann::json::exception&) {
      throw refusal("a number");
    }
  }

  [[nodiscard]] double finite_from_0() const {
    const double value = number();
    if (!std::isfinite(value) || value < 0) throw refusal("a finite number, at least 0");
    return value;
  }

  [[nodiscard]] Error refusal(const std::string& expected) const {
    std::string found = json_.is_structured() ? json_.type_name()
                                              : json_.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (found.size() > 40) found = found.substr(0, 40) + "...";
    return unusable(fmt::format("{} is {}, expected {}", place_.empty() ? "the document" : place_, found, expected));
  }

  [[nodiscard]] Error unusable(const std::string& what) const {
    return machine_error(
        fmt::format("{}: {}", source_, what),
        "It is not as fer-ddp writes it. Move the checkpoint's folder away to go on from the one before.");
  }

 private:
  const Json& json_;
  std::string place_;
  const std::string& source_;
};

std::optional<double> optional_number(const Value& value) {
  return value.is_null() ? std::nullopt : std::optional(value.number());
}

Json optional_to_json(const std::optional<double>& value) { return value ? exact_number(*value) : Json(nullptr); }

Json optional_to_json(const std::optional<int>& value) { return value ? Json(*value) : Json(nullptr); }

Json record_to_json(const EpochRecord& record) {
  return {{"epoch", record.epoch},
          {"loss", exact_number(record.loss)},
          {"accuracy", exact_number(record.accuracy)},
          {"val_loss", exact_number(record.val_loss)},
          {"val_accuracy", exact_number(record.val_accuracy)},
          {"learning_rate", exact_number(record.learning_rate)},
          {"seconds", exact_number(record.seconds)},
          {"images_per_second", exact_number(record.images_per_second)}};
}

EpochRecord read_record(const Value& value, int64_t epoch) {
  return {.epoch = static_cast<int>(value["epoch"].whole(epoch, epoch)),
          .loss = value["loss"].number(),
          .accuracy = value["accuracy"].number(),
          .val_loss = value["val_loss"].number(),
          .val_accuracy = value["val_accuracy"].number(),
          .learning_rate = value["learning_rate"].number(),
          .seconds = value["seconds"].number(),
          .images_per_second = value["images_per_second"].number()};
}

Json training_to_json(const TrainingState& state) {
  Json history = Json::array();
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
          {"best_epoch", optional_to_json(state.best_epoch)},
          {"stop_reason", static_cast<int>(state.stop_reason)},
          {"earlier_seconds", state.earlier_seconds},
          {"history", history}};
}

StopReason read_stop_reason(const Value& value) {
  const auto reason = static_cast<StopReason>(value.count());
  // Reasons that do not exist have the name of none.
  if (reason != StopReason::kNone && std::string_view(stop_reason_name(reason)) == stop_reason_name(StopReason::kNone))
    throw value.refusal("a stop reason");
  return reason;
}

// Of epochs that are done.
std::optional<int> read_kept_epoch(const Value& value, int epochs) {
  return value.is_null() ? std::nullopt : std::optional(value.count(int64_t{epochs} - 1));
}

KeptEpochs read_kept(const Value& value, int epochs) {
  return {.lowest_loss = read_kept_epoch(value["lowest_loss"], epochs),
          .highest_accuracy = read_kept_epoch(value["highest_accuracy"], epochs)};
}

TrainingState read_training(const Value& value) {
  TrainingState state;
  state.epoch = value["epoch"].count();
  state.step = value["step"].whole(0, kMostSteps);
  state.learning_rate = value["learning_rate"].finite_from_0();
  const Value progress = value["progress"];
  state.progress.loss = progress["loss"].number();
  state.progress.images = progress["images"].whole(0, kMostSteps);
  state.progress.correct = progress["correct"].whole(0, state.progress.images);
  state.progress.training_seconds = progress["training_seconds"].finite_from_0();
  state.progress.seconds = progress["seconds"].finite_from_0();
  state.best_epoch = read_kept_epoch(value["best_epoch"], state.epoch);
  state.stop_reason = read_stop_reason(value["stop_reason"]);
  state.earlier_seconds = value["earlier_seconds"].finite_from_0();
  const Value history = value["history"];
  if (history.array_size() != static_cast<size_t>(state.epoch))
    throw history.unusable(
        fmt::format("training.history has {} epochs, expected {}", history.array_size(), state.epoch));
  for (size_t i = 0; i < history.array_size(); ++i)
    state.history.push_back(read_record(history.at(i), static_cast<int64_t>(i)));
  return state;
}

Json decisions_to_json(const DecisionState& state) {
  return {{"early_stopping",
           {{"best", optional_to_json(state.early_stopping.best)},
            {"weights_kept", state.early_stopping.weights_kept},
            {"wait", state.early_stopping.wait}}},
          {"plateau",
           {{"best", optional_to_json(state.plateau.best)},
            {"wait", state.plateau.wait},
            {"cooldown_left", state.plateau.cooldown_left}}}};
}

DecisionState read_decisions(const Value& value) {
  const Value early_stopping = value["early_stopping"];
  const Value plateau = value["plateau"];
  return {.early_stopping = {.best = optional_number(early_stopping["best"]),
                             .weights_kept = early_stopping["weights_kept"].truth(),
                             .wait = early_stopping["wait"].count()},
          .plateau = {.best = optional_number(plateau["best"]),
                      .wait = plateau["wait"].count(),
                      .cooldown_left = plateau["cooldown_left"].count(std::numeric_limits<int>::max())}};
}

void require_known_format(int64_t version, const std::string& source) {
  if (version > kFormatVersion)
    throw user_error(
        fmt::format("{}: has format version {}, this fer-ddp reads up to {}", source, version, kFormatVersion),
        "Resume with the fer-ddp that wrote it, or a newer one.");
}

}  // namespace

std::string checkpoint_state_text(const CheckpointState& state) {
  Json document = {{"format_version", kFormatVersion},
                   {"training", training_to_json(state.training)},
                   {"decisions", decisions_to_json(state.decisions)},
                   {"optimizer_steps", state.optimizer_steps},
                   {"data_checksum", state.data_checksum ? Json(*state.data_checksum) : Json(nullptr)},
                   {"network", state.network ? Json(*state.network) : Json(nullptr)}};
  if (state.teachers) document["teachers"] = *state.teachers;
  if (state.device_choices) document["device_choices"] = *state.device_choices;
  if (state.kept)
    document["kept_epochs"] = {{"lowest_loss", optional_to_json(state.kept->lowest_loss)},
                               {"highest_accuracy", optional_to_json(state.kept->highest_accuracy)}};
  return document.dump(2) + "\n";
}

CheckpointState parse_checkpoint_state(std::string_view text, const std::string& source) {
  Json document;
  try {
    document = parse_json(text);
  } catch (const Json::exception&) {
    throw Value(document, "", source).unusable("is not JSON");
  }
  const Value value(document, "", source);
  const int64_t version = value["format_version"].whole(1, std::numeric_limits<int64_t>::max());
  require_known_format(version, source);
  CheckpointState state{.training = read_training(value["training"]),
                        .decisions = read_decisions(value["decisions"]),
                        .optimizer_steps = value["optimizer_steps"].whole(0, kMostSteps)};
  if (version >= 2) {
    const Value checksum = value["data_checksum"];
    if (!checksum.is_null()) state.data_checksum = checksum.text();
    const Value network = value["network"];
    if (!network.is_null()) state.network = network.text();
    if (value.holds("teachers")) state.teachers = value["teachers"].text();
    if (value.holds("device_choices")) state.device_choices = value["device_choices"].text();
    if (value.holds("kept_epochs")) state.kept = read_kept(value["kept_epochs"], state.training.epoch);
  }
  return state;
}

}  // namespace fer_ddp
