// A plug-in whose GPUs are the host's memory: the executable, with this beside it under the real one's name, takes the
// way of device=cuda (choice of a GPU, device step, checkpoints) on any machine. FER_DDP_DOUBLE_GPUS says how many
// there are (8). No stream, no graph and no NCCL: sums are the host's.
#include <fmt/format.h>

#include <cstdlib>

#include "step/device/device_plugin.h"
#include "tests/host_runtime.h"

namespace {

class HostPlugin final : public fer_ddp::DevicePlugin {
 public:
  [[nodiscard]] int device_count() override {
    const char* count = std::getenv("FER_DDP_DOUBLE_GPUS");
    return count == nullptr ? 8 : std::atoi(count);
  }
  [[nodiscard]] std::string device_identity(int device) override { return fmt::format("0000:{:02x}:00.0", device + 1); }
  [[nodiscard]] std::string device_name(int) override { return "host memory in a GPU's place"; }
  [[nodiscard]] std::unique_ptr<fer_ddp::DeviceRuntime> make_runtime(fer_ddp::Communicator& host, int,
                                                                     std::chrono::duration<double>, bool) override {
    return std::make_unique<fer_ddp::HostRuntime>(host);
  }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) fer_ddp::DevicePlugin* fer_ddp_make_device_plugin(char*,
                                                                                                    std::size_t) {
  return new HostPlugin;
}
