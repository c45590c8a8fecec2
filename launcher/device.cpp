#include "launcher/device.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/host.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kOtherwise =
    "Set device to cpu, or to auto, which takes a GPU where there is one that can be used.";

fs::path plugin_path() { return fs::read_symlink("/proc/self/exe").parent_path() / "libfer_ddp_cuda.so"; }

// Cheap, and touches neither the driver nor LibTorch.
bool gpu_seems_usable() {
  std::error_code ignored;
  const fs::path gpus = "/proc/driver/nvidia/gpus";
  return fs::exists(gpus, ignored) && !fs::is_empty(gpus, ignored) && fs::exists(plugin_path(), ignored);
}

bool everywhere(Communicator& communicator, bool here) {
  std::array<int64_t, 1> missing = {here ? 0 : 1};
  communicator.all_reduce(std::span<int64_t>(missing), ReduceOperation::kMax);
  return missing[0] == 0;
}

std::unique_ptr<Accelerator> load_plugin() {
  const fs::path path = plugin_path();
  if (!fs::exists(path))
    throw user_error(fmt::format("device is cuda, but this fer-ddp has no CUDA plug-in ({})", path.string()),
                     fmt::format("cluster/setup/install_dependencies --cuda, then build again. {}", kOtherwise));
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr)
    throw machine_error(fmt::format("the CUDA plug-in cannot be loaded: {}", ::dlerror()),
                        "cluster/setup/install_dependencies --cuda-runtime fetches the libraries that it needs.");
  auto* const make = reinterpret_cast<MakeAccelerator*>(::dlsym(library, "fer_ddp_make_accelerator"));
  if (make == nullptr) throw machine_error(fmt::format("{}: is no CUDA plug-in of fer-ddp", path.string()));
  std::array<char, 512> reason{};
  std::unique_ptr<Accelerator> accelerator(make(kAcceleratorVersion, TORCH_VERSION, reason.data(), reason.size()));
  if (!accelerator)
    throw machine_error(fmt::format("{}: {}", path.string(), reason.data()),
                        "Build the executable and the plug-in together.");
  return accelerator;
}

// The GPU of this rank: the one that its task was given, or the one of its number among the node's ranks.
int choose_gpu(Accelerator& accelerator, const Communicator& communicator) {
  const int count = accelerator.device_count();
  if (count == 0) throw user_error("device is cuda, but no GPU is visible", kOtherwise);
  if (count == 1) return 0;
  if (communicator.node_rank() >= count)
    throw user_error(
        fmt::format("{} ranks run on {}, which has {} GPUs", communicator.node_size(), host_name(), count),
        "Start at most one rank for each GPU of a node: mpirun --map-by ppr:N:node, or srun --ntasks-per-node=N.");
  return communicator.node_rank();
}

// `gpus`: "HOST GPU" of each rank.
void refuse_sharing(const std::vector<std::string>& gpus) {
  if (std::getenv("NCCL_HOSTID") != nullptr) return;  // how tests make NCCL let two ranks share one
  std::map<std::string, size_t> owners;
  for (size_t rank = 0; rank < gpus.size(); ++rank) {
    const auto [owner, is_new] = owners.emplace(gpus[rank], rank);
    if (!is_new)
      throw AgreedError(Fault::kUser, fmt::format("ranks {} and {} share one GPU: {}", owner->second, rank, gpus[rank]),
                        "Start at most one rank for each GPU, and give each task its own or let all see all.");
  }
}

}  // namespace

RunDevice open_device(const Config& config, Session& session) {
  Communicator& communicator = session.communicator();
  if (config.device == "cpu") return {};
  if (config.device == "auto" && !everywhere(communicator, gpu_seems_usable())) return {};
  RunDevice device;
  int gpu = 0;
  std::string identity;
  run_together(communicator, [&] {
    device.accelerator = load_plugin();
    gpu = choose_gpu(*device.accelerator, communicator);
    identity = device.accelerator->device_identity(gpu);
    device.name = fmt::format("{} ({})", device.accelerator->device_name(gpu), identity);
  });
  refuse_sharing(communicator.all_gather(fmt::format("{} {}", host_name(), identity)));
  device.runtime = device.accelerator->make_runtime(
      communicator, gpu, std::chrono::duration<double>(config.collective_timeout_seconds), config.cuda_graph);
  return device;
}

}  // namespace fer_ddp
