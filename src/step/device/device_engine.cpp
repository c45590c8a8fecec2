#include "step/device/device_engine.h"

#include <ATen/core/grad_mode.h>

namespace fer_ddp {

namespace {

struct DeviceStatisticsSum {
  Reducer& reducer;
  void operator()(std::span<float> sums) const { reducer.start_sum(sums)->wait(); }
  void operator()(std::span<double> sums) const { reducer.all_reduce(sums, ReduceOperation::kSum); }
};

}  // namespace

SumOverRanks statistics_sum(Reducer& reducer, const Config& config) {
  if (config.batch_norm == BatchNormScope::kLocal) return [](auto) {};
  return DeviceStatisticsSum{reducer};
}

void copy_tensors(Model& from, Model& to) {
  const at::NoGradGuard no_grad;
  to.store().flat_weights().copy_(from.store().flat_weights());
  at::Tensor(to.flat_buffers()).copy_(from.flat_buffers());
}

}  // namespace fer_ddp
