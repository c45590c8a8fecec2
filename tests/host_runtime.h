// A device whose memory is the host's: what the CUDA plug-in's runtime does, without CUDA. Work runs at once; copies
// are snapshots.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <vector>

#include "step/device/device_runtime.h"

namespace fer_ddp {

class HostRuntime final : public DeviceRuntime {
 public:
  explicit HostRuntime(Reducer& reducer) : reducer_(reducer) {}

  [[nodiscard]] at::Device device() const override { return at::kCPU; }
  [[nodiscard]] Reducer& reducer() override { return reducer_; }
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
  std::vector<int64_t> keys_{};
};

}  // namespace fer_ddp
