// The plug-in's entry: checks that LibTorch can use it, and makes it.
#include <ATen/Context.h>

#include <cstdio>

#include "cuda/cuda_error.h"
#include "cuda/cuda_runtime.h"
#include "step/device/device_plugin.h"

namespace fer_ddp {

namespace {

class CudaPlugin final : public DevicePlugin {
 public:
  [[nodiscard]] int device_count() override {
    int count = 0;
    check_cuda(cudaGetDeviceCount(&count), "cudaGetDeviceCount");  // raw: LibTorch would say 0, and not why
    return count;
  }
  [[nodiscard]] std::string device_identity(int device) override {
    std::string identity(32, '\0');
    check_cuda(cudaDeviceGetPCIBusId(identity.data(), static_cast<int>(identity.size()), device),
               "cudaDeviceGetPCIBusId");
    identity.resize(identity.find('\0'));
    return identity;
  }
  [[nodiscard]] std::string device_name(int device) override { return name_of_gpu(device); }
  [[nodiscard]] std::unique_ptr<DeviceRuntime> make_runtime(Communicator& host, int device,
                                                            std::chrono::duration<double> timeout,
                                                            bool capture) override {
    // Chosen by its heuristics, since what is measured may be another one in the process that resumes a run.
    at::globalContext().setBenchmarkCuDNN(false);
    return std::make_unique<CudaRuntime>(host, device, timeout, capture);
  }
};

}  // namespace

}  // namespace fer_ddp

extern "C" __attribute__((visibility("default"))) fer_ddp::DevicePlugin* fer_ddp_make_device_plugin(
    char* error, std::size_t error_size) {
  try {
    if (at::detail::getCUDAHooks().compiledWithCuDNN()) return new fer_ddp::CudaPlugin;
    std::snprintf(error, error_size, "LibTorch was used before it was loaded, and has settled on having no GPU");
  } catch (const std::exception& failure) {
    std::snprintf(error, error_size, "%s", failure.what());
  }
  return nullptr;
}
