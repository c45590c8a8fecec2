// The training step on a device, of any network: weights, optimizer, images, the epoch's order and dropout live there,
// and nothing but a step's few numbers (where it begins, its learning rate) goes there in a step, unless its images are
// changed, which the host draws and, where the device has no kernels for it, does. No step computes in fp64. Gradients
// come from an engine (device_engine.h): this project's own kernels where the device has them and the network matches,
// else LibTorch's autograd. The work is recorded and replayed where the runtime does so; loss and accuracy come back
// some steps later, so that the host never stops the device. The host's model and optimizer hold the state whenever
// synchronize() has returned: checkpoints and evaluation at the end of a run know nothing of devices.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "step/device/device_engine.h"
#include "step/device/device_feed.h"
#include "step/device/device_kernels.h"
#include "step/device/device_optimizer.h"
#include "step/device/device_runtime.h"
#include "step/device/timed_kernels.h"
#include "step/teachers.h"
#include "step/training_step.h"

namespace fer_ddp {

class DeviceStep final : public TrainingStep {
 public:
  // All outlive the step. teachers: null where it learns from none; they are copied to the device. kernels: as
  // choose_kernels() found; null: LibTorch's operators do everything.
  DeviceStep(Model& model, Optimizer& optimizer, const Dataset& dataset, DeviceRuntime& runtime, const Config& config,
             const Teachers* teachers = nullptr, std::unique_ptr<DeviceKernels> kernels = nullptr);

  void begin_epoch(int epoch, std::span<const int32_t> order) override;
  BatchSums run(const BatchShare& share, double learning_rate) override;
  BatchSums synchronize() override;
  void reload() override;
  [[nodiscard]] std::string choices() const override { return kernels_ ? kernels_->choices() : std::string(); }
  void use_choices(const std::string& choices) override;
  [[nodiscard]] std::string computed_by() const override;
  [[nodiscard]] std::vector<KernelTime> kernel_times() const override;
  [[nodiscard]] EvaluationSums evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                             std::span<ImagePrediction> predictions) override;
  [[nodiscard]] std::vector<float> probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                                 const ImageView& view) override;

  [[nodiscard]] const DeviceEngine& engine() const { return *engine_; }

 private:
  // Rows that are evaluated, and where in the device's memory what is found of them lies: in the same place each time,
  // so that the work can be recorded.
  struct Evaluation {
    Split split;
    PositionRange rows;
    bool of_each;     // what is said of each row is asked for
    at::Tensor sums;  // fp64 [7 * 7 + 1]: images by (label, called), then the loss
    at::Tensor said;  // fp32 [rows, 4]: the label, what it is called, and the probabilities of both
  };

  [[nodiscard]] BatchSums take_oldest();
  [[nodiscard]] size_t place_evaluation(Split split, PositionRange rows, bool of_each);
  void evaluate_into(const Evaluation& evaluation);
  void make_engine();

  Model& host_model_;
  Optimizer& host_optimizer_;
  DeviceRuntime& runtime_;
  const Config config_;
  const Teachers* teachers_;  // may be null
  std::unique_ptr<Model> model_;
  StepNumbers numbers_;
  DeviceFeed feed_;
  std::unique_ptr<DeviceKernels> kernels_;  // may be null
  TimedKernels* timed_ = nullptr;           // the same, where the runtime keeps times
  std::unique_ptr<DeviceEngine> engine_;
  std::unique_ptr<DeviceOptimizer> optimizer_;
  at::Tensor sums_;    // fp32 [2]: the step's loss and correct images
  int64_t steps_ = 0;  // of the optimizer
  struct Pending {
    std::unique_ptr<PendingValues> sums;
    int64_t images;
  };
  std::vector<Evaluation> evaluations_;
  std::deque<Pending> pending_;  // the newest steps' sums, oldest first
};

}  // namespace fer_ddp
