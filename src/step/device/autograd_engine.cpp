#include "step/device/autograd_engine.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include "step/autograd/autograd_step.h"
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
      buckets_(model.store(), runtime.reducer(), kSmallestGradientBucket),
      hooks_(model.store(), buckets_),
      sum_statistics_(statistics_sum(runtime.reducer(), config)) {
  if (teachers == nullptr) return;
  for (const auto& teacher : teachers->models()) {
    teachers_.push_back(std::make_unique<Model>(teacher->network(), config, runtime.device()));
    copy_tensors(*teacher, *teachers_.back());
  }
}

// What a network takes in of these rows of the training split.
at::Tensor AutogradEngine::input_of(const Model& model, const at::Tensor& rows) const {
  const PixelScale scale = model.network().input;
  if (feed_.feeds_images()) return as_input(feed_.fed_pixels(scale).narrow(0, 0, rows.size(0)));
  return input_images(scale, feed_.split(Split::kTrain).images.index_select(0, rows));
}

// The teachers' mean probabilities at their temperature.
at::Tensor AutogradEngine::said_by_teachers(const at::Tensor& rows) const {
  const at::NoGradGuard no_grad;
  ForwardContext context;
  context.tensor_operators = true;
  at::Tensor mean = at::zeros({rows.size(0), kExpressionCount}, model_.flat_buffers().options());
  for (const auto& teacher : teachers_)
    mean.add_(at::softmax(teacher->forward(input_of(*teacher, rows), context) / config_.distill_temperature, 1));
  return mean.div_(static_cast<double>(teachers_.size()));
}

void AutogradEngine::compute(int64_t images, int64_t, at::Tensor& sums) {
  model_.store().clear_gradients();
  const at::Tensor offsets = at::arange(images, feed_.order().options());
  const at::Tensor rows = feed_.order().index_select(0, offsets + numbers_.integer(StepNumbers::kPosition));
  const at::Tensor labels = feed_.feeds_images() ? feed_.fed_labels().narrow(0, 0, images)
                                                 : feed_.split(Split::kTrain).labels.index_select(0, rows);
  ForwardContext context{.training = true, .sum_statistics = sum_statistics_};
  context.tensor_operators = true;
  if (feed_.kept_units().defined())
    context.kept_units = feed_.kept_units().index_select(0, offsets + numbers_.integer(StepNumbers::kKeptRow));
  const at::Tensor logits = model_.forward(input_of(model_, rows), context);
  at::Tensor loss = feed_.feeds_images() ? summed_loss(logits, feed_.fed_targets().narrow(0, 0, images), 0)
                                         : summed_loss(logits, labels, config_.label_smoothing);
  if (!teachers_.empty())
    loss = loss * (1.0 - config_.distill_weight) +
           summed_teacher_loss(logits, said_by_teachers(rows), config_.distill_weight, config_.distill_temperature);
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
