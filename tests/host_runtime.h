// A device whose memory is the host's: what the CUDA plug-in's runtime does, without CUDA. Work runs at once; copies
// are snapshots.
#pragma once

#include "train/device_runtime.h"

namespace fer_ddp {

class HostRuntime final : public DeviceRuntime {
 public:
  explicit HostRuntime(Reducer& reducer) : reducer_(reducer) {}

  [[nodiscard]] at::Device device() const override { return at::kCPU; }
  [[nodiscard]] Reducer& reducer() override { return reducer_; }
  void finish() override {}
  void run(const std::function<void()>& work) override { work(); }
  void run_repeatedly(int64_t, const std::function<void()>& work) override { work(); }
  [[nodiscard]] std::unique_ptr<PendingValues> start_copy(const at::Tensor& values) override {
    return std::make_unique<Snapshot>(values.detach().clone());
  }

 private:
  class Snapshot final : public PendingValues {
   public:
    explicit Snapshot(at::Tensor values) : values_(std::move(values)) {}
    at::Tensor wait() override { return values_; }

   private:
    at::Tensor values_;
  };

  Reducer& reducer_;
};

}  // namespace fer_ddp
