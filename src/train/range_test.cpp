#include "train/range_test.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "comm/agreement.h"
#include "core/augmentation_options.h"
#include "data/sampler.h"
#include "model/weights.h"
#include "step/step_choice.h"

namespace fer_ddp {

namespace {

class RangeTest {
 public:
  RangeTest(const Config& config, const Network& network, const RangeTestOptions& options,
            const RangeTestSurroundings& surroundings)
      : config_(config),
        network_(network),
        options_(options),
        surroundings_(surroundings),
        rates_(rising_rates(options.from, options.to, options.steps)),
        rows_(surroundings.dataset.split(Split::kTrain).size()),
        steps_per_epoch_(steps_per_epoch(rows_, config.batch_size)) {
    run_together(surroundings_.communicator, [&] { model_ = start_model(0); });
    optimizer_ = make_optimizer(config_, model_->store().layout());
    step_ = make_training_step(config_, *model_, *optimizer_, surroundings_.dataset, surroundings_.communicator,
                               surroundings_.device, surroundings_.teachers);
  }

  // The losses of one training, as many as it took steps.
  std::vector<double> train(int restart) {
    if (restart > 0) start_anew(restart);
    const int epochs_of_one = static_cast<int>((options_.steps + steps_per_epoch_ - 1) / steps_per_epoch_);
    std::vector<double> losses;
    DivergenceWatch watch;
    for (int k = 0; k < options_.steps; ++k) {
      const int64_t step = k % steps_per_epoch_;
      if (step == 0) begin_epoch(restart * epochs_of_one + k / static_cast<int>(steps_per_epoch_));
      losses.push_back(run_step(step, rates_[static_cast<size_t>(k)]));
      if (watch.diverges(losses.back())) break;
    }
    static_cast<void>(step_->synchronize());
    return losses;
  }

 private:
  [[nodiscard]] std::unique_ptr<Model> start_model(int restart) const {
    Config config = config_;
    config.random_seed =
        static_cast<int64_t>(static_cast<uint64_t>(config.random_seed) + static_cast<uint64_t>(restart));
    return make_model(network_, config);
  }

  void start_anew(int restart) {
    run_together(surroundings_.communicator, [&] {
      set_weights(*model_, copy_weights(*start_model(restart)), "the start weights");
      for (Optimizer::Slot& slot : optimizer_->slots()) std::fill(slot.values.begin(), slot.values.end(), 0.0F);
      optimizer_->set_step_count(0);
    });
    step_->reload();
  }

  void begin_epoch(int epoch) {
    epoch_ = epoch;
    order_ = epoch_order(rows_, config_.shuffle, static_cast<uint64_t>(config_.random_seed), epoch);
    step_->begin_epoch(epoch, order_);
  }

  // The mean loss of the step's images.
  double run_step(int64_t step, double rate) {
    const SplitView& split = surroundings_.dataset.split(Split::kTrain);
    const PositionRange batch = global_batch(rows_, config_.batch_size, step);
    const PositionRange mine = rank_share(batch, surroundings_.communicator.rank(), surroundings_.communicator.size());
    const std::span<const int32_t> order(order_);
    BatchSums sums = over_all_ranks(
        step_->run({.images = split.images,
                    .labels = split.labels,
                    .rows = order.subspan(static_cast<size_t>(mine.begin), static_cast<size_t>(mine.size())),
                    .global_images = batch.size(),
                    .first_position = mine.begin,
                    .batch_position = batch.begin,
                    .epoch = epoch_,
                    .batch_rows = order.subspan(static_cast<size_t>(batch.begin), static_cast<size_t>(batch.size())),
                    .recipe = image_recipe(config_, 0)},
                   rate));
    // A device's sums come later than its step begins.
    if (sums.images < batch.size()) sums += over_all_ranks(step_->synchronize());
    return sums.loss / static_cast<double>(batch.size());
  }

  BatchSums over_all_ranks(const BatchSums& share) {
    std::array<double, 2> sums = {share.loss, static_cast<double>(share.images)};
    surroundings_.communicator.all_reduce(std::span<double>(sums), ReduceOperation::kSum);
    return {.loss = sums[0], .images = static_cast<int64_t>(sums[1])};
  }

  const Config& config_;
  const Network& network_;
  const RangeTestOptions& options_;
  const RangeTestSurroundings& surroundings_;
  std::vector<double> rates_;
  int64_t rows_;
  int64_t steps_per_epoch_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainingStep> step_;
  int epoch_ = 0;
  std::vector<int32_t> order_;
};

}  // namespace

LearningRateCurve run_range_test(const Config& config, const Network& network, const RangeTestOptions& options,
                                 const RangeTestSurroundings& surroundings) {
  RangeTest test(config, network, options, surroundings);
  std::vector<std::vector<double>> trainings;
  trainings.reserve(static_cast<size_t>(options.restarts));
  for (int restart = 0; restart < options.restarts; ++restart) trainings.push_back(test.train(restart));
  return mean_curve(rising_rates(options.from, options.to, options.steps), trainings);
}

}  // namespace fer_ddp
