// The training loop: for each epoch, for each global batch: gather, forward, backward, reduce, update; then evaluate,
// decide, apply, record. Devices, ranks and overlap stand behind the step and the communicator; every rank runs the
// same loop. Checkpoints are written beside it (train/checkpoint_writer.h): where that fails, all ranks hear of it with
// the next step's sums and throw the same Error; where the loop ends, it waits for the last one.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "comm/communicator.h"
#include "core/background_writer.h"
#include "core/config.h"
#include "data/dataset.h"
#include "model/model.h"
#include "step/device/device_runtime.h"
#include "step/evaluator.h"
#include "step/teachers.h"
#include "step/training_step.h"
#include "train/checkpoint.h"
#include "train/checkpoint_writer.h"
#include "train/decision_maker.h"
#include "train/kept_weights.h"
#include "train/schedule.h"
#include "train/step_vote.h"
#include "train/training_observer.h"

namespace fer_ddp {

// An epoch whose weights the run might have ended with, and what these do on the test images: nothing is known of that
// where there are none, or where the weights were not kept.
struct TestedEpoch {
  CandidateEpoch candidate;
  std::optional<EvaluatedImages> test{};
};

// How run() ended. `interrupted`: a checkpoint is on the disk and the run can go on from it; nothing else is set then.
// `has_weights`: the model holds what the run ends with; false for a run that diverged before an epoch was its best.
struct TrainingOutcome {
  bool interrupted = false;
  bool has_weights = true;
  std::optional<StoredTensors> raw_weights;  // where the model's are averages: what they are of
  std::optional<int> restored_epoch;         // whose weights the model now holds, where they were restored
  std::optional<Evaluation> test;
  std::vector<TestedEpoch> candidates{};  // the one whose weights the model now holds is the last
};

// What the trainer is given from outside.
struct TrainerSurroundings {
  Communicator& communicator;
  const Dataset& dataset;
  CheckpointFolder checkpoints;
  BackgroundWriter& writer;              // of rank 0; others leave it idle
  std::function<bool()> stop_requested;  // asked at every step boundary
  DeviceRuntime* device = nullptr;       // null: the CPU
  Teachers* teachers = nullptr;          // null: it learns from none
};

class Trainer {
 public:
  Trainer(const Config& config, Model& model, TrainerSurroundings surroundings);
  ~Trainer();

  // Observers are told in the order of their joining, and outlive run(). The launcher gives them to rank 0 alone.
  void add_observer(TrainingObserver& observer) { observers_.push_back(&observer); }

  // Goes on from a checkpoint instead of from the beginning. All ranks pass the same. Where the configuration asks for
  // other epochs or patience than the run stopped by, what the checkpoint says of the end is decided anew: a run that
  // was over goes on as if it had been asked for in the first place. Throws Error where the checkpoint is of other
  // data, does not fit, or stands in an epoch beyond the last one that is asked for.
  void resume(const StoredCheckpoint& checkpoint);

  // Collective. Trains until the epochs are done, early stopping ends it, it diverges, or a stop is asked for. What it
  // and its observers have added to the writer is done when it returns. Throws the same Error on all ranks where any of
  // that failed.
  TrainingOutcome run();

  [[nodiscard]] const TrainingState& state() const { return state_; }
  [[nodiscard]] const KeptWeights& kept() const { return kept_; }
  [[nodiscard]] int64_t steps_run() const { return steps_run_; }  // by this process
  [[nodiscard]] std::string device_choices() const { return step_->choices(); }
  [[nodiscard]] std::string computed_by() const { return step_->computed_by(); }
  [[nodiscard]] std::vector<PassTime> pass_times() const { return step_->pass_times(); }
  [[nodiscard]] std::vector<KernelTime> kernel_times() const { return step_->kernel_times(); }
  [[nodiscard]] CheckpointTimes checkpoint_times() const { return checkpoints_.times(); }  // rank 0's; after run()
  [[nodiscard]] double run_seconds() const;  // earlier parts of a resumed run included

 private:
  bool train_epoch();  // false: stopped at a step boundary, or diverged
  VoteResult run_step(const std::vector<int32_t>& order);
  void finish_steps();
  void note_divergence(bool diverged);
  [[nodiscard]] bool has_diverged() const { return state_.stop_reason == StopReason::kDiverged; }
  void add_progress(const BatchSums& sums);
  [[nodiscard]] Evaluation evaluate_split(Split split);
  void finish_epoch();
  void record(const Evaluation& validation);
  void apply(const EpochDecision& decision);
  TrainingOutcome conclude();
  void synchronize_replicas();
  void average_over_ranks(const std::vector<Buffer>& buffers);
  void keep_weights(const EpochDecision& decision);
  void test_candidates(TrainingOutcome& outcome);
  void exchange_averages();
  void save_checkpoint();
  void finish_writing();
  void announce(TrainingPhase phase);
  void report_step();
  [[nodiscard]] double learning_rate_of(int64_t step) const;
  void require_own_data(const StoredCheckpoint& checkpoint, const CheckpointState& found) const;
  void require_own_network(const StoredCheckpoint& checkpoint, const CheckpointState& found) const;
  void require_own_teachers(const StoredCheckpoint& checkpoint, const CheckpointState& found) const;
  void require_position(const StoredCheckpoint& checkpoint, const TrainingState& found) const;
  [[nodiscard]] std::optional<std::string> teachers_hash() const;
  [[nodiscard]] Checkpointed parts();

  const Config& config_;
  Model& model_;
  TrainerSurroundings surroundings_;
  std::vector<TrainingObserver*> observers_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainingStep> step_;
  DecisionMaker decisions_;
  int64_t steps_per_epoch_;
  Schedule schedule_;
  CheckpointWriter checkpoints_;
  StepVote vote_;
  TrainingState state_;
  int64_t steps_run_ = 0;
  std::optional<std::string> earlier_choices_;  // of the device that the run was on before
  KeptWeights kept_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace fer_ddp
