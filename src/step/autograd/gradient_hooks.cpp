#include "step/autograd/gradient_hooks.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>

namespace fer_ddp {

namespace {

// Called by autograd, on the thread that runs backward, when a parameter's gradient is complete.
class MarkReady final : public torch::autograd::PostAccumulateGradHook {
 public:
  MarkReady(GradientBuckets& buckets, size_t parameter) : buckets_(buckets), parameter_(parameter) {}
  void operator()(const torch::autograd::Variable&) override { buckets_.mark_ready(parameter_); }

 private:
  GradientBuckets& buckets_;
  size_t parameter_;
};

}  // namespace

GradientHooks::GradientHooks(const ParameterStore& store, GradientBuckets& buckets) : store_(store) {
  for (size_t i = 0; i < store.parameters().size(); ++i)
    torch::autograd::impl::set_post_acc_grad_hooks(store.parameters()[i].value,
                                                   std::make_unique<MarkReady>(buckets, i));
}

GradientHooks::~GradientHooks() {
  for (const Parameter& parameter : store_.parameters())
    torch::autograd::impl::set_post_acc_grad_hooks(parameter.value, nullptr);
}

}  // namespace fer_ddp
