#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "comm/agreement.h"
#include "comm/consistency.h"
#include "core/checksum.h"
#include "core/error.h"
#include "data/sampler.h"
#include "model/weights.h"
#include "network/table.h"
#include "step/evaluator.h"
#include "step/step_choice.h"

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;

// Adds the time it lives to `seconds`.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds), start_(Clock::now()) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  double& seconds_;
  Clock::time_point start_;
};

std::optional<std::chrono::duration<double>> checkpoint_interval(const Config& config) {
  if (!config.checkpoint_every_seconds) return std::nullopt;
  return std::chrono::duration<double>(*config.checkpoint_every_seconds);
}

std::span<float> values_of(const Buffer& buffer) {
  return {buffer.value.data_ptr<float>(), static_cast<size_t>(buffer.value.numel())};
}

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

bool all_finite(const StoredTensors& tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const auto& named) { return all_finite(named.second.values); });
}

}  // namespace

Trainer::Trainer(const Config& config, Model& model, TrainerSurroundings surroundings)
    : config_(config),
      model_(model),
      surroundings_(std::move(surroundings)),
      optimizer_(make_optimizer(config, model.store().layout())),
      step_(make_training_step(config, model, *optimizer_, surroundings_.dataset, surroundings_.communicator,
                               surroundings_.device, surroundings_.teachers)),
      decisions_(config),
      steps_per_epoch_(steps_per_epoch(surroundings_.dataset.split(Split::kTrain).size(), config.batch_size)),
      schedule_(config, steps_per_epoch_),
      checkpoints_(surroundings_.checkpoints, surroundings_.writer),
      vote_(surroundings_.communicator, surroundings_.stop_requested, checkpoint_interval(config),
            [this] { return checkpoints_.failed(); }),
      start_(Clock::now()) {
  state_.learning_rate = config.learning_rate;
}

Trainer::~Trainer() = default;

void Trainer::resume(const StoredCheckpoint& checkpoint) {
  const CheckpointState found = read_checkpoint_state(checkpoint);
  require_own_data(checkpoint, found);
  require_own_network(checkpoint, found);
  require_own_teachers(checkpoint, found);
  require_position(checkpoint, found.training);
  decode_checkpoint(checkpoint, found, parts());
  state_.stop_reason = decisions_.stop_reason_of(state_);
  earlier_choices_ = found.device_choices;
  if (earlier_choices_) step_->use_choices(*earlier_choices_);
  step_->reload();
}

void Trainer::require_own_data(const StoredCheckpoint& checkpoint, const CheckpointState& found) const {
  const std::string& own = surroundings_.dataset.checksum();
  if (!found.data_checksum || *found.data_checksum == own) return;
  throw user_error(fmt::format("{}: the run was trained on other data (checksum {}) than {} (checksum {})",
                               checkpoint.path, *found.data_checksum, config_.data, own),
                   "Resume it with its own data, or start another run with another output.");
}

// Checkpoints of the time before tables name none: their tensors must fit.
void Trainer::require_own_network(const StoredCheckpoint& checkpoint, const CheckpointState& found) const {
  const std::string own = network_hash(model_.network());
  if (!found.network || *found.network == own) return;
  throw user_error(fmt::format("{}: is of another network (table {}) than the run's network.json (table {})",
                               checkpoint.path, *found.network, own),
                   "Put the table back that the run began with, or start another run with another output.");
}

void Trainer::require_own_teachers(const StoredCheckpoint& checkpoint, const CheckpointState& found) const {
  const std::optional<std::string> own = teachers_hash();
  if (found.teachers == own) return;
  throw user_error(
      fmt::format("{}: the run learnt from other teachers (checksum {}) than those in its folder (checksum {})",
                  checkpoint.path, found.teachers.value_or("none"), own.value_or("none")),
      "Put back the networks and weights that the run began with, or start another run with another output.");
}

std::optional<std::string> Trainer::teachers_hash() const {
  if (surroundings_.teachers == nullptr) return std::nullopt;
  return surroundings_.teachers->hash();
}

void Trainer::require_position(const StoredCheckpoint& checkpoint, const TrainingState& found) const {
  if (found.step > steps_per_epoch_)
    throw user_error(fmt::format("{}: stands after step {} of its epoch, which has {} with this data and batch_size",
                                 checkpoint.path, found.step, steps_per_epoch_),
                     "Resume the run with its own data.");
  if (found.step > 0 && found.epoch >= config_.epochs)
    throw user_error(fmt::format("{}: stands in epoch {}, but epochs is {}: nothing is trained", checkpoint.path,
                                 found.epoch + 1, config_.epochs),
                     fmt::format("Set epochs to {} at least.", found.epoch + 1));
}

TrainingOutcome Trainer::run() {
  bool interrupted = false;
  while (state_.stop_reason == StopReason::kNone && !interrupted) {
    if (train_epoch())
      finish_epoch();
    else
      interrupted = !has_diverged();
  }
  finish_writing();
  if (interrupted)
    return {.interrupted = true, .has_weights = false, .raw_weights = {}, .restored_epoch = {}, .test = {}};
  return conclude();
}

bool Trainer::train_epoch() {
  announce(TrainingPhase::kTraining);
  const int64_t rows = surroundings_.dataset.split(Split::kTrain).size();
  const std::vector<int32_t> order =
      epoch_order(rows, config_.shuffle, static_cast<uint64_t>(config_.random_seed), state_.epoch);
  step_->begin_epoch(state_.epoch, order);
  while (state_.step < steps_per_epoch_) {
    const VoteResult vote = run_step(order);
    if (vote.writing_failed) finish_writing();  // throws
    if (has_diverged()) return false;
    report_step();
    if (vote.stop || vote.checkpoint) {
      finish_steps();
      if (has_diverged()) return false;
      save_checkpoint();
    }
    if (vote.stop) return false;
  }
  finish_steps();
  return !has_diverged();
}

// Waits for what the steps so far still compute, and looks at what they leave: a last update that went wrong shows in
// no loss yet, but would be in the checkpoint.
void Trainer::finish_steps() {
  const Stopwatch training(state_.progress.training_seconds);
  const Stopwatch epoch(state_.progress.seconds);
  const BatchSums rest = step_->synchronize();
  std::array<double, 4> sums = {rest.loss, static_cast<double>(rest.correct), static_cast<double>(rest.images),
                                all_finite(model_.store().weights()) ? 0.0 : 1.0};
  surroundings_.communicator.all_reduce(std::span<double>(sums), ReduceOperation::kSum);
  add_progress({.loss = sums[0], .correct = static_cast<int64_t>(sums[1]), .images = static_cast<int64_t>(sums[2])});
  note_divergence(!std::isfinite(sums[0]) || sums[3] > 0);
}

// What is noted follows from sums over the ranks alone, so that all of them note it at the same step.
void Trainer::note_divergence(bool diverged) {
  if (diverged && config_.terminate_on_nan) state_.stop_reason = StopReason::kDiverged;
}

void Trainer::add_progress(const BatchSums& sums) {
  state_.progress.loss += sums.loss;
  state_.progress.correct += sums.correct;
  state_.progress.images += sums.images;
}

Evaluation Trainer::evaluate_split(Split split) {
  return evaluate(*step_, surroundings_.dataset, split, surroundings_.communicator);
}

VoteResult Trainer::run_step(const std::vector<int32_t>& order) {
  const Stopwatch training(state_.progress.training_seconds);
  const Stopwatch epoch(state_.progress.seconds);
  const SplitView& split = surroundings_.dataset.split(Split::kTrain);
  const PositionRange batch = global_batch(split.size(), config_.batch_size, state_.step);
  const PositionRange mine = rank_share(batch, surroundings_.communicator.rank(), surroundings_.communicator.size());
  const BatchSums share = step_->run(
      {.images = split.images,
       .labels = split.labels,
       .rows = std::span(order).subspan(static_cast<size_t>(mine.begin), static_cast<size_t>(mine.size())),
       .global_images = batch.size(),
       .first_position = mine.begin,
       .batch_position = batch.begin,
       .epoch = state_.epoch,
       .batch_rows = std::span(order).subspan(static_cast<size_t>(batch.begin), static_cast<size_t>(batch.size())),
       .recipe = image_recipe(config_, state_.epoch)},
      learning_rate_of(state_.step));
  const VoteResult vote = vote_.cast(share);
  add_progress(vote.sums);
  note_divergence(vote.diverged);
  ++state_.step;
  ++steps_run_;
  return vote;
}

void Trainer::finish_epoch() {
  Evaluation validation;
  {
    const Stopwatch epoch(state_.progress.seconds);
    announce(TrainingPhase::kEvaluating);
    synchronize_replicas();
    exchange_averages();
    validation = evaluate_split(Split::kValidation);
  }
  record(validation);
  const double monitored = config_.monitor == Monitor::kValidationLoss ? validation.loss : validation.accuracy();
  // An empty validation split leaves the metric missing, as in Keras without validation data.
  const std::optional<double> value = validation.images > 0 ? std::optional(monitored) : std::nullopt;
  const EpochDecision decision =
      decide_together(surroundings_.communicator, decisions_, state_.epoch, value, state_.learning_rate);
  keep_weights(decision);
  exchange_averages();
  apply(decision);
}

void Trainer::keep_weights(const EpochDecision& decision) {
  kept_.keep(state_.history, decision.is_best, model_);
  if (decision.is_best) state_.best_epoch = state_.epoch;
}

// The weights that the run is judged by, and ends with, take the places of those that it trains, and give them back.
void Trainer::exchange_averages() {
  const std::span<float> average = optimizer_->average();
  if (average.empty()) return;
  std::swap_ranges(average.begin(), average.end(), model_.store().weights().begin());
  for (size_t i = 0; i < model_.buffers().size(); ++i) {
    const std::span<float> values = values_of(model_.buffers()[i]);
    std::swap_ranges(values.begin(), values.end(), values_of(model_.averaged_buffers()[i]).begin());
  }
  step_->reload();
}

void Trainer::record(const Evaluation& validation) {
  const EpochProgress& progress = state_.progress;
  const auto images = static_cast<double>(progress.images);
  state_.history.push_back({.epoch = state_.epoch,
                            .loss = progress.loss / images,
                            .accuracy = static_cast<double>(progress.correct) / images,
                            .val_loss = validation.loss,
                            .val_accuracy = validation.accuracy(),
                            .learning_rate = learning_rate_of(0),
                            .seconds = progress.seconds,
                            .images_per_second = images / progress.training_seconds});
}

void Trainer::apply(const EpochDecision& decision) {
  ++state_.epoch;
  state_.step = 0;
  state_.progress = {};
  state_.learning_rate = decision.next_learning_rate;
  state_.stop_reason = decision.stop_reason;
  if (decision.save_checkpoint) save_checkpoint();
  for (TrainingObserver* observer : observers_) observer->on_epoch(state_, decision);
}

TrainingOutcome Trainer::conclude() {
  TrainingOutcome outcome;
  if (has_diverged()) {
    static_cast<void>(step_->synchronize());  // steps may be under way still
    outcome.has_weights = kept_.best && all_finite(*kept_.best->weights);
    if (!outcome.has_weights) return outcome;
  }
  if (config_.average_weights && !has_diverged()) outcome.raw_weights = copy_weights(model_);
  exchange_averages();
  if (config_.restore_best_weights || has_diverged()) outcome.restored_epoch = state_.best_epoch;
  announce(TrainingPhase::kTesting);
  test_candidates(outcome);
  return outcome;
}

// Tests each of the weights that the run might have ended with, and those that it does end with as the last, so that
// the model holds them. Of a run that has diverged, the last ones are not to be used.
void Trainer::test_candidates(TrainingOutcome& outcome) {
  std::optional<KeptEpoch> last;
  if (!has_diverged())
    last = {state_.history.back().epoch, std::make_shared<const StoredTensors>(copy_weights(model_))};
  const bool has_test_images = surroundings_.dataset.split(Split::kTest).size() > 0;
  const int ending = outcome.restored_epoch.value_or(state_.history.back().epoch);
  for (CandidateEpoch& candidate : candidate_epochs(state_.history, kept_, last, ending)) {
    TestedEpoch& tested = outcome.candidates.emplace_back(TestedEpoch{std::move(candidate)});
    if (!tested.candidate.weights) continue;
    set_weights(model_, *tested.candidate.weights, "an epoch's weights");
    step_->reload();
    if (has_test_images)
      tested.test = evaluate_images(*step_, surroundings_.dataset, Split::kTest, surroundings_.communicator, config_);
  }
  if (has_test_images) outcome.test = outcome.candidates.back().test->evaluation;
}

// Replicas must be one: weights are, by construction, and this proves it once an epoch; BatchNorm's running statistics
// are averaged where each rank has gathered its own.
void Trainer::synchronize_replicas() {
  Communicator& communicator = surroundings_.communicator;
  if (config_.batch_norm == BatchNormScope::kLocal) {
    average_over_ranks(model_.buffers());
    average_over_ranks(model_.averaged_buffers());
    step_->reload();
  }
  require_equal_replicas(communicator, {"set of weights", checksum(std::as_bytes(model_.store().weights()))});
}

void Trainer::average_over_ranks(const std::vector<Buffer>& buffers) {
  Communicator& communicator = surroundings_.communicator;
  for (const Buffer& buffer : buffers) {
    const std::span<float> values = values_of(buffer);
    communicator.all_reduce(values, ReduceOperation::kSum);
    for (float& value : values) value /= static_cast<float>(communicator.size());
  }
}

void Trainer::save_checkpoint() {
  announce(TrainingPhase::kCheckpointing);
  run_on_rank_0(surroundings_.communicator, [&] {
    TrainingState saved = state_;
    saved.earlier_seconds = run_seconds();
    Checkpointed all = parts();
    checkpoints_.take({saved, all.model, all.optimizer, all.decisions, all.kept, all.data_checksum, all.teachers,
                       all.device_choices});
  });
  vote_.checkpoint_taken();
  if (state_.stop_reason == StopReason::kNone) announce(TrainingPhase::kTraining);
}

// Until all that was taken is on the disk, also what observers have added behind it. All ranks throw what that threw.
void Trainer::finish_writing() {
  announce(TrainingPhase::kCheckpointing);
  run_on_rank_0(surroundings_.communicator, [&] { checkpoints_.finish(); });
}

void Trainer::announce(TrainingPhase phase) {
  for (TrainingObserver* observer : observers_) observer->on_phase(phase);
}

// Of a step of the running epoch: what the plateau leaves, by the schedule.
double Trainer::learning_rate_of(int64_t step) const {
  return state_.learning_rate * schedule_.share(state_.epoch * steps_per_epoch_ + step);
}

void Trainer::report_step() {
  const EpochProgress& progress = state_.progress;
  const auto images = static_cast<double>(progress.images);
  const double seconds_a_step = progress.training_seconds / static_cast<double>(state_.step);
  const int64_t steps_left = (config_.epochs - state_.epoch) * steps_per_epoch_ - state_.step;
  const StepReport report{.epoch = state_.epoch,
                          .steps_done = state_.step,
                          .steps_per_epoch = steps_per_epoch_,
                          .learning_rate = learning_rate_of(state_.step - 1),
                          .images = progress.images,
                          .loss = progress.loss / images,
                          .accuracy = static_cast<double>(progress.correct) / images,
                          .images_per_second = images / progress.training_seconds,
                          .seconds_left = seconds_a_step * static_cast<double>(steps_left)};
  for (TrainingObserver* observer : observers_) observer->on_step(report);
}

double Trainer::run_seconds() const {
  return state_.earlier_seconds + std::chrono::duration<double>(Clock::now() - start_).count();
}

Checkpointed Trainer::parts() {
  const std::string choices = step_->choices();
  return {state_,          model_,
          *optimizer_,     decisions_,
          kept_,           surroundings_.dataset.checksum(),
          teachers_hash(), choices.empty() ? earlier_choices_ : std::optional(choices)};
}

}  // namespace fer_ddp
