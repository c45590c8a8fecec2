// Which GPU a rank takes, where each task sees one of its own and where all see all; and that no two ranks take the
// same one, which NCCL would refuse later and less clearly.
#pragma once

#include <string>

#include "comm/communicator.h"
#include "step/device/device_plugin.h"

namespace fer_ddp {

struct GpuAssignment {
  int device = 0;
  std::string identity;  // "0000:17:00.0"
  std::string name;      // "NVIDIA H100 80GB HBM3"
};

// This rank's own: the only one that it sees, or the one of its number among the node's ranks. Throws Error: the user's
// mistake where there is none left, the machine's where CUDA cannot start.
[[nodiscard]] GpuAssignment assign_gpu(DevicePlugin& plugin, const Communicator& communicator);

// Collective. Throws AgreedError where two ranks have chosen one and the same. Instances of a divided GPU (MIG) count
// as one, as for NCCL; hosts are told apart as NCCL does, NCCL_HOSTID included.
void refuse_sharing(const GpuAssignment& own, Communicator& communicator);

}  // namespace fer_ddp
