#include "step/device/device_teachers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "core/expressions.h"
#include "model/model.h"
#include "network/engine_plan.h"
#include "step/device/device_engine.h"
#include "step/device/kernel_network.h"

namespace fer_ddp {

class DeviceTeacher {
 public:
  DeviceTeacher() = default;
  DeviceTeacher(const DeviceTeacher&) = delete;
  DeviceTeacher& operator=(const DeviceTeacher&) = delete;
  virtual ~DeviceTeacher() = default;

  // fp32 [at least `images`, 7].
  [[nodiscard]] virtual at::Tensor logits(int64_t images) = 0;
};

namespace {

class KernelTeacher final : public DeviceTeacher {
 public:
  KernelTeacher(std::unique_ptr<Model> model, const DeviceFeed& feed, const StepNumbers& numbers,
                DeviceKernels& kernels, int64_t most_images)
      : model_(std::move(model)),
        feed_(feed),
        numbers_(numbers),
        network_(*model_, feed, numbers, kernels, {.most_images = most_images, .trains = false}) {}

  at::Tensor logits(int64_t images) override {
    network_.evaluate(feed_.source(model_->network().input, numbers_), images);
    return network_.head().logits();
  }

 private:
  std::unique_ptr<Model> model_;
  const DeviceFeed& feed_;
  const StepNumbers& numbers_;
  KernelNetwork network_;
};

class OperatorTeacher final : public DeviceTeacher {
 public:
  OperatorTeacher(std::unique_ptr<Model> model, const DeviceFeed& feed, const StepNumbers& numbers)
      : model_(std::move(model)), feed_(feed), numbers_(numbers) {}

  at::Tensor logits(int64_t images) override {
    ForwardContext context;
    context.tensor_operators = true;
    return model_->forward(feed_.input(model_->network().input, feed_.rows(numbers_, images)), context);
  }

 private:
  std::unique_ptr<Model> model_;
  const DeviceFeed& feed_;
  const StepNumbers& numbers_;
};

}  // namespace

DeviceTeachers::DeviceTeachers(const Teachers& teachers, const DeviceFeed& feed, const StepNumbers& numbers,
                               DeviceRuntime& runtime, DeviceKernels* kernels, const Config& config) {
  for (const auto& teacher : teachers.models()) {
    auto model = std::make_unique<Model>(teacher->network(), config, runtime.device());
    copy_tensors(*teacher, *model);
    if (kernels != nullptr && device_kernel_refusal(model->network()).empty())
      teachers_.push_back(
          std::make_unique<KernelTeacher>(std::move(model), feed, numbers, *kernels, config.batch_size));
    else
      teachers_.push_back(std::make_unique<OperatorTeacher>(std::move(model), feed, numbers));
  }
  logits_ = at::zeros({static_cast<int64_t>(teachers_.size()), config.batch_size, kExpressionCount},
                      at::TensorOptions(at::kFloat).device(runtime.device()));
}

DeviceTeachers::~DeviceTeachers() = default;

at::Tensor DeviceTeachers::ask(int64_t images) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < teachers_.size(); ++i)
    logits_.select(0, static_cast<int64_t>(i))
        .narrow(0, 0, images)
        .copy_(teachers_[i]->logits(images).narrow(0, 0, images));
  return logits_.narrow(1, 0, images);
}

}  // namespace fer_ddp
