#include "step/device/autograd_engine.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

#include "step/autograd/autograd_step.h"
#include "step/device/rounded_reducer.h"
#include "step/input_images.h"

namespace fer_ddp {

namespace {

// Autograd would run a GPU's backward on a thread of its own, and with it the sums over the ranks that it starts; these
// ask MPI whether another rank has called the roll, and MPI is this thread's.
class BackwardOnThisThread {
 public:
  BackwardOnThisThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(false); }
  BackwardOnThisThread(const BackwardOnThisThread&) = delete;
  BackwardOnThisThread& operator=(const BackwardOnThisThread&) = delete;
  ~BackwardOnThisThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(before_); }

 private:
  bool before_ = c10::AutogradState::get_tls_state().get_multithreading_enabled();
};

}  // namespace

AutogradEngine::AutogradEngine(Model& model, const DeviceFeed& feed, const StepNumbers& numbers, DeviceRuntime& runtime,
                               const Config& config, const Teachers* teachers)
    : model_(model),
      feed_(feed),
      numbers_(numbers),
      config_(config),
      rounded_(make_rounding_reducer(runtime.reducer(), model.store().flat_gradients(), config)),
      buckets_(model.store(), rounded_ ? *rounded_ : runtime.reducer(), kSmallestGradientBucket),
      hooks_(model.store(), buckets_),
      sum_statistics_(statistics_sum(runtime.reducer(), config)) {
  if (teachers != nullptr)
    teachers_ = std::make_unique<DeviceTeachers>(*teachers, feed, numbers, runtime, nullptr, config);
}

// The teachers' mean probabilities at their temperature.
at::Tensor AutogradEngine::said_by_teachers(int64_t images) {
  return at::softmax(teachers_->ask(images) / config_.distill_temperature, 2).mean(0);
}

void AutogradEngine::compute(int64_t images, int64_t, at::Tensor& sums) {
  model_.store().clear_gradients();
  const at::Tensor rows = feed_.rows(numbers_, images);
  const at::Tensor labels = feed_.feeds_images() ? feed_.fed_labels().narrow(0, 0, images)
                                                 : feed_.split(Split::kTrain).labels.index_select(0, rows);
  ForwardContext context{.training = true, .sum_statistics = sum_statistics_};
  context.tensor_operators = true;
  if (feed_.kept_units().defined())
    context.kept_units = feed_.kept_units().index_select(
        0, at::arange(images, rows.options()) + numbers_.integer(StepNumbers::kKeptRow));
  const at::Tensor logits = model_.forward(feed_.input(model_.network().input, rows), context);
  at::Tensor loss = feed_.feeds_images() ? summed_loss(logits, feed_.fed_targets().narrow(0, 0, images), 0)
                                         : summed_loss(logits, labels, config_.label_smoothing);
  if (teachers_)
    loss = loss * (1.0 - config_.distill_weight) +
           summed_teacher_loss(logits, said_by_teachers(images), config_.distill_weight, config_.distill_temperature);
  {
    const BackwardOnThisThread here;
    torch::autograd::backward({loss * numbers_.number(StepNumbers::kLossScale)}, {});
  }
  const at::NoGradGuard no_grad;
  buckets_.wait();
  sums.copy_(at::stack({loss.detach(), (logits.argmax(1) == labels).sum().to(at::kFloat)}));
}

at::Tensor AutogradEngine::logits(const at::Tensor& images) {
  ForwardContext context;
  context.tensor_operators = true;
  const bool are_bytes = images.scalar_type() == at::kByte;
  return model_.forward(are_bytes ? input_images(model_.network().input, images) : images, context);
}

}  // namespace fer_ddp
