// Stages without weights: pools, and the sum that ends a residual.
#include <ATen/ops/zeros.h>

#include <utility>

#include "step/device/kernel_stages.h"

namespace fer_ddp {

namespace {

class PoolKernels final : public KernelStage {
 public:
  PoolKernels(const StageSpec& spec, KernelValues& input, KernelSurroundings& around)
      : input_(input), around_(around), averages_(spec.kind == StageSpec::Kind::kAveragePool) {
    left_.shape = spec.output;
    y_ = around.make_values(around.most_images * spec.output.size());
    if (!averages_) winners_ = at::zeros({around.most_images * spec.output.size()}, y_.options());
    left_.values = y_.data_ptr();
  }

  void forward(const KernelBatch& batch) override {
    left_.has_gradient = false;
    around_.kernels.pool(shape(batch), input_.values, left_.values, places());
  }
  void backward(const KernelBatch& batch) override {
    const bool adds = std::exchange(input_.has_gradient, true);
    around_.kernels.pool_gradient(shape(batch), left_.gradient, places(), input_.gradient, adds);
  }

 private:
  // Of the winners; of means there are none.
  [[nodiscard]] uint8_t* places() const { return averages_ ? nullptr : winners_.data_ptr<uint8_t>(); }
  [[nodiscard]] Pooling shape(const KernelBatch& batch) const { return {input_.extent(batch.images), averages_}; }

  KernelValues& input_;
  KernelSurroundings& around_;
  bool averages_;
  at::Tensor y_, winners_;
};

// Its gradient, once ReLU is taken off, is that of both branches: the body's is in the same memory, and the shortcut's
// where nobody reads it later.
class ResidualKernels final : public KernelStage {
 public:
  ResidualKernels(const StageSpec& spec, KernelValues& body, KernelValues& shortcut, KernelSurroundings& around)
      : body_(body), shortcut_(shortcut), around_(around) {
    left_.shape = spec.output;
    y_ = around.make_values(around.most_images * spec.output.size());
    left_.values = y_.data_ptr();
  }

  void forward(const KernelBatch& batch) override {
    left_.has_gradient = false;
    around_.kernels.residual_sum({.extent = left_.extent(batch.images),
                                  .a = body_.values,
                                  .map_a = body_.map,
                                  .b = shortcut_.values,
                                  .map_b = shortcut_.map,
                                  .output = left_.values});
  }
  void backward(const KernelBatch& batch) override {
    const DeviceExtent extent = left_.extent(batch.images);
    around_.kernels.residual_gradient(extent, left_.values, left_.gradient);
    body_.has_gradient = true;
    const bool adds = std::exchange(shortcut_.has_gradient, true);
    if (shortcut_.gradient == left_.gradient) return;
    around_.kernels.pass_values(extent.size(), left_.gradient, shortcut_.gradient, adds);
  }

 private:
  KernelValues& body_;
  KernelValues& shortcut_;
  KernelSurroundings& around_;
  at::Tensor y_;
};

}  // namespace

std::unique_ptr<KernelStage> make_pool_kernels(const StageSpec& spec, KernelValues& input, KernelSurroundings& around) {
  return std::make_unique<PoolKernels>(spec, input, around);
}

std::unique_ptr<KernelStage> make_residual_kernels(const StageSpec& spec, KernelValues& body, KernelValues& shortcut,
                                                   KernelSurroundings& around) {
  return std::make_unique<ResidualKernels>(spec, body, shortcut, around);
}

}  // namespace fer_ddp
