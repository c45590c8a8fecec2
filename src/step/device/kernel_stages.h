// The stages of a network (network/stage_plan.h) by a device's own kernels: each a few launches forward and backward.
// Values behind a ReLU, a pool or a normalisation of their own are written out; a branch of a residual leaves its
// convolution's values, with the map that the sum applies (ChannelMap).
//
// A gradient's memory is shared as network/gradient_memory.h says. A reader that is not the first adds to it.
#pragma once

#include <memory>
#include <vector>

#include "network/stage_plan.h"
#include "step/device/kernel_surroundings.h"

namespace fer_ddp {

class KernelStage {
 public:
  KernelStage() = default;
  KernelStage(const KernelStage&) = delete;
  KernelStage& operator=(const KernelStage&) = delete;
  virtual ~KernelStage() = default;

  [[nodiscard]] KernelValues& left() { return left_; }
  [[nodiscard]] const KernelValues& left() const { return left_; }
  virtual void forward(const KernelBatch& batch) = 0;
  // Once all readers are through theirs.
  virtual void backward(const KernelBatch& batch) = 0;
  // The newest values before the map, the ReLU and the pool that the stage ends with, as its readers see them.
  // values is null where they are not kept.
  [[nodiscard]] virtual KernelValues before_map(const KernelBatch&) const { return left_; }
  // Which value of each pooled window was the largest (device_kernels.h, Normalize); null without a pool.
  [[nodiscard]] virtual const uint8_t* winners() const { return nullptr; }

 protected:
  KernelValues left_;
};

// What they read and `around` outlive them.
[[nodiscard]] std::unique_ptr<KernelStage> make_pool_kernels(const StageSpec& spec, KernelValues& input,
                                                             KernelSurroundings& around);
[[nodiscard]] std::unique_ptr<KernelStage> make_residual_kernels(const StageSpec& spec, KernelValues& body,
                                                                 KernelValues& shortcut, KernelSurroundings& around);

// Stages in the order of the plan, which is without those that only write values out and outlives them, as `around`
// does.
[[nodiscard]] std::vector<std::unique_ptr<KernelStage>> make_kernel_stages(const StagePlan& plan,
                                                                           KernelSurroundings& around);

}  // namespace fer_ddp
