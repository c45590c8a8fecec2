// What a training step asks of the device that it computes on, beyond LibTorch's operators: how its work is run (at
// once, or captured once and replayed), how values come to the host without stopping it, and the sums over the ranks.
// From its making to its end, all that the thread that made it runs on the device is done in the order in which it was
// begun; that thread alone calls it. The CUDA plug-in implements it; the tests do so on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "comm/reducer.h"
#include "core/choices.h"
#include "step/device/device_kernels.h"
#include "step/device/kernel_clock.h"

namespace fer_ddp {

// Values on their way to the host.
class PendingValues {
 public:
  PendingValues() = default;
  PendingValues(const PendingValues&) = delete;
  PendingValues& operator=(const PendingValues&) = delete;
  virtual ~PendingValues() = default;

  // Waits, under a deadline, and returns them on the CPU. Throws Error (the machine's fault).
  virtual at::Tensor wait() = 0;
};

class DeviceRuntime {
 public:
  DeviceRuntime() = default;
  DeviceRuntime(const DeviceRuntime&) = delete;
  DeviceRuntime& operator=(const DeviceRuntime&) = delete;
  virtual ~DeviceRuntime() = default;

  [[nodiscard]] virtual at::Device device() const = 0;
  [[nodiscard]] virtual Reducer& reducer() = 0;

  // Runs work that is always the same for equal keys but for the content of its tensors, which stay where they are: it
  // may be recorded once it has run a few times, and replayed from then on. Where `work` sums over the ranks, all ranks
  // must come here with the same keys in the same order, since a sum is recorded by all ranks or by none.
  virtual void run_repeatedly(int64_t key, const std::function<void()>& work) = 0;

  // Before any work: what LibTorch's operators may round a product's operands to.
  virtual void use_precision(Precision) {}
  // The device's own kernels, on the stream that its work runs on; null where it has none that fit it.
  [[nodiscard]] virtual std::unique_ptr<DeviceKernels> make_kernels(Precision) { return nullptr; }

  // What tells models of the device apart, such as "NVIDIA H100 80GB HBM3".
  [[nodiscard]] virtual std::string name() const = 0;
  // Runs work, which sums nothing over the ranks, once, and then a few times as a step would: the seconds that the
  // device took for the quickest. Waits for it. Throws what the work throws.
  [[nodiscard]] virtual double seconds_of(const std::function<void()>& work) = 0;

  // Before any work: the times of its kernels are kept. Nothing is recorded as a graph then, since a graph does not say
  // which call a kernel of it came from. Throws Error (the machine's fault).
  virtual void keep_kernel_times() {}
  // Null where none are kept.
  [[nodiscard]] virtual KernelClock* kernel_clock() { return nullptr; }

  // Collective; the last call. Ends the device's part in the world.
  virtual void close() = 0;

  // Starts to copy a tensor of the device, as it is after what was run so far.
  [[nodiscard]] virtual std::unique_ptr<PendingValues> start_copy(const at::Tensor& values) = 0;
};

}  // namespace fer_ddp
