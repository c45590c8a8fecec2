// A device whose memory is the host's: what the CUDA plug-in's runtime does, without CUDA. Work runs at once; copies
// are snapshots. Kernels of its own are the plug-in's sources (tests/host_kernels.h), where a test asks for them.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "step/device/device_runtime.h"

namespace fer_ddp {

// Each call takes ten microseconds and is one kernel.
class HostClock final : public KernelClock {
 public:
  static constexpr double kSeconds = 1e-5;

  void begin(int64_t call) override { calls_.push_back(call); }
  void end() override {
    const int64_t call = calls_.back();
    calls_.pop_back();
    if (call == kStep) return;
    ++times_.of_calls[call].launches;
    times_.of_calls[call].seconds += kSeconds;
  }
  [[nodiscard]] Times times() override { return times_; }
  [[nodiscard]] DevicePeaks peaks(Precision) const override { return {1e12, 1e13, 1e14}; }

 private:
  std::vector<int64_t> calls_{};
  Times times_{};
};

class HostRuntime final : public DeviceRuntime {
 public:
  using MakeKernels = std::function<std::unique_ptr<DeviceKernels>(Precision)>;

  explicit HostRuntime(Reducer& reducer, MakeKernels make_kernels = {})
      : reducer_(reducer), make_kernels_(std::move(make_kernels)) {}

  [[nodiscard]] at::Device device() const override { return at::kCPU; }
  [[nodiscard]] Reducer& reducer() override { return reducer_; }
  [[nodiscard]] std::unique_ptr<DeviceKernels> make_kernels(Precision precision) override {
    return make_kernels_ ? make_kernels_(precision) : nullptr;
  }
  [[nodiscard]] std::string name() const override { return "host"; }
  [[nodiscard]] double seconds_of(const std::function<void()>& work) override { return timer_(work); }
  // What it says of work, which it runs; 0 else.
  void time_by(std::function<double(const std::function<void()>&)> timer) { timer_ = std::move(timer); }
  void keep_kernel_times() override { clock_ = std::make_unique<HostClock>(); }
  [[nodiscard]] KernelClock* kernel_clock() override { return clock_.get(); }
  void close() override {}
  void run_repeatedly(int64_t key, const std::function<void()>& work) override {
    keys_.push_back(key);
    work();
  }
  [[nodiscard]] std::unique_ptr<PendingValues> start_copy(const at::Tensor& values) override {
    return std::make_unique<Snapshot>(values.detach().clone());
  }

  // Of run_repeatedly, in the order of its calls.
  [[nodiscard]] const std::vector<int64_t>& keys() const { return keys_; }

 private:
  class Snapshot final : public PendingValues {
   public:
    explicit Snapshot(at::Tensor values) : values_(std::move(values)) {}
    at::Tensor wait() override { return values_; }

   private:
    at::Tensor values_;
  };

  Reducer& reducer_;
  MakeKernels make_kernels_;
  std::function<double(const std::function<void()>&)> timer_ = [](const std::function<void()>& work) {
    work();
    return 0.0;
  };
  std::unique_ptr<HostClock> clock_{};
  std::vector<int64_t> keys_{};
};

}  // namespace fer_ddp
