// A plug-in whose GPUs are the host's memory: the executable, with this beside it under the real one's name, takes the
// way of device=cuda (choice of a GPU, device step, checkpoints) on any machine. FER_DDP_DOUBLE_GPUS says how many
// there are (8), FER_DDP_DOUBLE_KERNELS how many of them, from the first on, have this project's kernels (all): the
// very sources, their threads as fibres, hundreds of times slower than LibTorch's operators. No stream, no graph and
// no NCCL: sums are the host's, and those of bfloat16 values of its floats.
#include <fmt/format.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "step/device/device_plugin.h"
#include "tests/bfloat16_sums.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"

namespace {

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

class HostPlugin final : public fer_ddp::DevicePlugin {
 public:
  [[nodiscard]] int device_count() override { return number_from("FER_DDP_DOUBLE_GPUS", 8); }
  [[nodiscard]] std::string device_identity(int device) override { return fmt::format("0000:{:02x}:00.0", device + 1); }
  [[nodiscard]] std::string device_name(int) override { return "host memory in a GPU's place"; }
  [[nodiscard]] std::unique_ptr<fer_ddp::DeviceRuntime> make_runtime(fer_ddp::Communicator& host, int device,
                                                                     std::chrono::duration<double>, bool) override {
    sums_.push_back(std::make_unique<fer_ddp::Bfloat16Sums>(host));
    if (device >= number_from("FER_DDP_DOUBLE_KERNELS", std::numeric_limits<int>::max()))
      return std::make_unique<fer_ddp::HostRuntime>(*sums_.back());
    return std::make_unique<fer_ddp::HostRuntime>(
        *sums_.back(), [](fer_ddp::Precision precision) { return fer_ddp::make_host_kernels(precision); });
  }

 private:
  std::vector<std::unique_ptr<fer_ddp::Bfloat16Sums>> sums_{};  // of each runtime
};

}  // namespace

extern "C" __attribute__((visibility("default"))) fer_ddp::DevicePlugin* fer_ddp_make_device_plugin(char*,
                                                                                                    std::size_t) {
  return new HostPlugin;
}
