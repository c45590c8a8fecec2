// Which engine can train a network, by which kernel it computes each layer, and how far its numbers are the same
// between worlds: what `fer-ddp network` prints, and what the choice of a step asks. An engine that matches more than
// it does today changes its own function here; who asks does not change.
#pragma once

#include <string>
#include <vector>

#include "network/network.h"

namespace fer_ddp {

struct EnginePlan {
  std::string engine;                  // as the config's key `step` names it; "device" on a GPU
  std::string refusal{};               // why the engine cannot run the network, naming the layer; empty: it can
  std::vector<std::string> kernels{};  // of each layer, in the order of for_each_layer; none where it is refused
  std::string sameness{};              // between numbers of ranks and threads
  std::string bf16{};                  // what that precision changes of the kernels; empty: nothing
};

// Whether the layers are the study's CNN's, which has kernels of its own; any share of dropout is as good.
[[nodiscard]] bool is_seed_cnn(const Network& network);

[[nodiscard]] EnginePlan fused_plan(const Network& network);
[[nodiscard]] EnginePlan autograd_plan(const Network& network);
// By the device's own kernels where they can, else by LibTorch's operators. Never refused.
[[nodiscard]] EnginePlan device_plan(const Network& network);
// Why those kernels cannot, naming the layer; empty: they can. They need stages that match (network/stage_plan.h).
[[nodiscard]] std::string device_kernel_refusal(const Network& network);

// All of them, the engine that `auto` takes on a CPU first.
[[nodiscard]] std::vector<EnginePlan> engine_plans(const Network& network);

}  // namespace fer_ddp
