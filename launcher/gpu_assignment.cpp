#include "launcher/gpu_assignment.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <vector>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/host.h"

namespace fer_ddp {

namespace {

// Machines may share a name, and the bus ids of their GPUs; never this number.
std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

std::string host_identity() {
  const char* chosen = std::getenv("NCCL_HOSTID");
  return chosen != nullptr ? chosen : host_name() + " " + boot_id();
}

}  // namespace

GpuAssignment assign_gpu(DevicePlugin& plugin, const Communicator& communicator) {
  const int count = plugin.device_count();
  if (count == 0)
    throw user_error("device is cuda, but no GPU is visible",
                     "Look at CUDA_VISIBLE_DEVICES; or set device to cpu, or to auto, which takes a GPU where there is "
                     "one that can be used.");
  if (count > 1 && communicator.node_rank() >= count)
    throw user_error(
        fmt::format("{} ranks run on {}, which has {} GPUs", communicator.node_size(), host_name(), count),
        "Start at most one rank for each GPU of a node: mpirun --map-by ppr:N:node, or srun --ntasks-per-node=N.");
  const int device = count == 1 ? 0 : communicator.node_rank();
  return {device, plugin.device_identity(device), plugin.device_name(device)};
}

void refuse_sharing(const GpuAssignment& own, Communicator& communicator) {
  const std::vector<std::string> gpus = communicator.all_gather(host_identity() + "\n" + own.identity);
  const std::vector<std::string> hosts = communicator.all_gather(host_name());
  std::map<std::string, size_t> owners;
  for (size_t rank = 0; rank < gpus.size(); ++rank) {
    const auto [owner, is_new] = owners.emplace(gpus[rank], rank);
    if (is_new) continue;
    const std::string bus_id = gpus[rank].substr(gpus[rank].rfind('\n') + 1);
    throw AgreedError(Fault::kUser,
                      fmt::format("ranks {} and {} share one GPU: {} on {}", owner->second, rank, bus_id, hosts[rank]),
                      "Start at most one rank for each GPU (instances of a MIG-divided one count as one), and give "
                      "each task its own or let all see all.");
  }
}

}  // namespace fer_ddp
