#include "step/device/kernel_network.h"

#include <ATen/ops/empty_like.h>

#include <utility>

#include "network/gradient_memory.h"

namespace fer_ddp {

namespace {

at::Tensor values_for(Model& model, const DeviceKernels& kernels) {
  if (kernels.value_bytes() == 4) return {};
  return model.store().flat_weights().detach().to(at::kBFloat16);
}

}  // namespace

KernelNetwork::KernelNetwork(Model& model, const DeviceFeed& feed, const StepNumbers& numbers, DeviceKernels& kernels,
                             Options options)
    : plan_(without_materialized(plan_stages(model.network()))),
      values_(values_for(model, kernels)),
      around_{.kernels = kernels,
              .model = model,
              .weight_values = values_.defined() ? values_.data_ptr() : model.store().flat_weights().data_ptr(),
              .next_statistics = at::empty_like(model.flat_buffers()),
              .sum_statistics = std::move(options.sum_statistics),
              .most_images = options.most_images,
              .trains = options.trains},
      stages_(make_kernel_stages(plan_, around_)),
      head_(std::make_unique<KernelHead>(plan_.head, stages_.back()->left(), feed, numbers, around_,
                                         options.label_smoothing)) {}

void KernelNetwork::evaluate(const ImageSource& source, int64_t images) {
  const KernelBatch batch{.images = static_cast<int>(images), .training = false};
  around_.source = source;
  for (const auto& stage : stages_) stage->forward(batch);
  head_->evaluate(batch);
}

void KernelNetwork::renew_values() {
  if (values_.defined()) values_.copy_(around_.model.store().flat_weights());
}

}  // namespace fer_ddp
