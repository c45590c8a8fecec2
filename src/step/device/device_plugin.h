// What the executable and the CUDA plug-in (libfer_ddp_cuda.so) have in common. The plug-in is loaded only where a GPU
// is asked for, so that the executable runs on a node without any file of NVIDIA's. No CUDA header here.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "step/device/device_runtime.h"

namespace fer_ddp {

class DevicePlugin {
 public:
  DevicePlugin() = default;
  DevicePlugin(const DevicePlugin&) = delete;
  DevicePlugin& operator=(const DevicePlugin&) = delete;
  virtual ~DevicePlugin() = default;

  // GPUs that this process may use. Throws Error (the machine's fault) with the reason where CUDA cannot start.
  [[nodiscard]] virtual int device_count() = 0;

  // Identifies a GPU on its host: two ranks with the same one share it.
  [[nodiscard]] virtual std::string device_identity(int device) = 0;
  // "NVIDIA H100 80GB HBM3", for people.
  [[nodiscard]] virtual std::string device_name(int device) = 0;

  // Collective over `host`, which outlives the runtime. `capture`: repeated work is recorded as a CUDA graph.
  [[nodiscard]] virtual std::unique_ptr<DeviceRuntime> make_runtime(Communicator& host, int device,
                                                                    std::chrono::duration<double> timeout,
                                                                    bool capture) = 0;
};

// The plug-in's entry, "fer_ddp_make_device_plugin": null, and the reason in `error`, where LibTorch cannot use it.
// Never throws. Beside it stands "fer_ddp_build_hash" (core/build_hash.h), which is looked at first.
extern "C" {
using MakeDevicePlugin = DevicePlugin*(char* error, std::size_t error_size);
}

}  // namespace fer_ddp
