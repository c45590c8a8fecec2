// The training step on a device, of any network: weights, optimizer, images, the epoch's order and dropout live there,
// and nothing but a step's few numbers (where it begins, its learning rate) goes there in a step, unless its images are
// changed, which the host does; dropout that takes much memory comes a part of an epoch at a time. No step computes in
// fp64. Its work is recorded and replayed where the runtime does so; loss and accuracy come back some steps later, so
// that the host never stops the device. The host's model and optimizer hold the state whenever synchronize() has
// returned: checkpoints and evaluation at the end of a run know nothing of devices.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "data/dataset.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "step/autograd/gradient_buckets.h"
#include "step/autograd/gradient_hooks.h"
#include "step/device/device_optimizer.h"
#include "step/device/device_runtime.h"
#include "step/teachers.h"
#include "step/training_step.h"

namespace fer_ddp {

class DeviceStep final : public TrainingStep {
 public:
  // All outlive the step. teachers: null where it learns from none; they are copied to the device.
  DeviceStep(Model& model, Optimizer& optimizer, const Dataset& dataset, DeviceRuntime& runtime, const Config& config,
             const Teachers* teachers = nullptr);

  void begin_epoch(int epoch, std::span<const int32_t> order) override;
  BatchSums run(const BatchShare& share, double learning_rate) override;
  BatchSums synchronize() override;
  void reload() override;
  [[nodiscard]] EvaluationSums evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                             std::span<ImagePrediction> predictions) override;
  [[nodiscard]] std::vector<float> probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                                 const ImageView& view) override;

 private:
  struct DeviceSplit {
    at::Tensor images;  // uint8 [n, 48, 48]
    at::Tensor labels;  // int64 [n]
  };

  void feed_images(const BatchShare& share);
  [[nodiscard]] at::Tensor input_of(const Model& model, const at::Tensor& rows) const;
  [[nodiscard]] at::Tensor said_by_teachers(const at::Tensor& rows) const;
  void provide_kept_units(int64_t first_position, int64_t images);
  void compute(int64_t images);
  [[nodiscard]] BatchSums take_oldest();

  Model& host_model_;
  Optimizer& host_optimizer_;
  DeviceRuntime& runtime_;
  Config config_;
  PerSplit<DeviceSplit> splits_;
  std::unique_ptr<Model> model_;
  std::vector<std::unique_ptr<Model>> teachers_;
  std::unique_ptr<DeviceOptimizer> optimizer_;
  GradientBuckets buckets_;
  GradientHooks hooks_;
  SumOverRanks sum_statistics_;
  // Where images are augmented or mixed, the host makes a step's share of them, until kernels do so on the device.
  bool feeds_images_;
  std::map<PixelScale, at::Tensor> fed_pixels_;  // fp32 [a share's most, 48 * 48], as each of the networks takes them
  at::Tensor fed_targets_;                       // fp32 [a share's most, 7]
  at::Tensor fed_labels_;                        // int64 [a share's most]
  at::Tensor order_;                             // int64 [rows]: the epoch's row at each position
  int epoch_ = 0;
  PositionRange kept_range_{0, 0};  // positions of the epoch that kept_units_ knows
  at::Tensor kept_units_;           // uint8 [rows, units], by position from kept_begin_; undefined without dropout
  at::Tensor kept_begin_;           // int64 []
  at::Tensor position_;             // int64 []: of this rank's first image in the step
  at::Tensor loss_scale_;           // fp32 []: 1 / images of the global batch
  at::Tensor sums_;                 // fp32 [2]: the step's loss and correct images
  int64_t steps_ = 0;               // of the optimizer
  struct Pending {
    std::unique_ptr<PendingValues> sums;
    int64_t images;
  };
  std::deque<Pending> pending_;  // the newest steps' sums, oldest first
};

}  // namespace fer_ddp
