#include "network/engine_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "network/stage_plan.h"
#include "network/table.h"

namespace fer_ddp {

namespace {

using nlohmann::ordered_json;

constexpr const char* kWithinRounding =
    "any number of ranks and threads agree within rounding; a resumed run goes on to the byte at the same ranks";

// The layers with all their options, dropout's share aside: any is as good.
ordered_json layers_but_shares(Network network) {
  for (Layer& each : network.layers)
    if (auto* dropout = std::get_if<layer::Dropout>(&each.kind)) dropout->share = 0;
  return network_to_json(network)["layers"];
}

struct OperatorOf {
  std::string operator()(const layer::Convolution&) const { return "conv2d"; }
  std::string operator()(const layer::BatchNorm&) const { return "batch_norm over all ranks"; }
  std::string operator()(const layer::Relu&) const { return "relu"; }
  std::string operator()(const layer::MaxPool&) const { return "max_pool2d"; }
  std::string operator()(const layer::AveragePool&) const { return "avg_pool2d"; }
  std::string operator()(const layer::GlobalAveragePool&) const { return "mean"; }
  std::string operator()(const layer::Flatten&) const { return "view"; }
  std::string operator()(const layer::Dropout&) const { return "mul by a keyed mask"; }
  std::string operator()(const layer::Dense&) const { return "linear"; }
  std::string operator()(const layer::Residual&) const { return "add"; }
};

// LibTorch's operators, one a layer, and where `own_kernels`, this project's for a ReLU with the pool behind it.
void add_operators(const std::vector<Layer>& layers, bool own_kernels, std::vector<std::string>& kernels) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto* pool = i + 1 < layers.size() ? std::get_if<layer::MaxPool>(&layers[i + 1].kind) : nullptr;
    if (own_kernels && std::holds_alternative<layer::Relu>(layers[i].kind) && pool != nullptr && pool->side == 2) {
      kernels.emplace_back("ReLU + pool");
      kernels.push_back(fmt::format("in layer {}'s", layers[i].place));
      ++i;
      continue;
    }
    kernels.push_back(std::visit(OperatorOf{}, layers[i].kind));
    if (const auto* residual = std::get_if<layer::Residual>(&layers[i].kind)) {
      add_operators(residual->body, own_kernels, kernels);
      add_operators(residual->shortcut, own_kernels, kernels);
    }
  }
}

EnginePlan operators(const char* engine, const Network& network, bool own_kernels) {
  EnginePlan plan{.engine = engine, .sameness = kWithinRounding};
  add_operators(network.layers, own_kernels, plan.kernels);
  return plan;
}

}  // namespace

bool is_seed_cnn(const Network& network) {
  static const Network kSeedCnn = load_network("seed_cnn");
  static const ordered_json kExpected = layers_but_shares(kSeedCnn);
  return network.input == kSeedCnn.input && layers_but_shares(network) == kExpected;
}

EnginePlan fused_plan(const Network& network) {
  EnginePlan plan{.engine = "fused",
                  .sameness =
                      "the same bits at 1, 2, 4 and 8 ranks of a host and any number of threads; other numbers "
                      "of ranks agree within rounding"};
  if (!is_seed_cnn(network)) {
    StagePlan stages = plan_stages(network);
    plan.refusal = stages.refusal.empty() ? "" : "the fused engine has no stage for it: " + stages.refusal;
    if (stages.refusal.empty())
      for_each_layer(network.layers, [&](const Layer& layer) { plan.kernels.push_back(stages.kernels[layer.place]); });
    return plan;
  }
  plan.kernels = {"first convolution + ReLU + pool",
                  "in layer 1's",
                  "in layer 1's",
                  "folded into layer 5",
                  "Winograd F(4x4) convolution + ReLU + pool",
                  "in layer 5's",
                  "in layer 5's",
                  "folded into layer 10",
                  "none",
                  "dense + ReLU + dropout, sparse gradient",
                  "in layer 10's",
                  "in layer 10's",
                  "classifier"};
  return plan;
}

EnginePlan autograd_plan(const Network& network) { return operators("autograd", network, true); }

EnginePlan device_plan(const Network& network) { return operators("device", network, false); }

std::vector<EnginePlan> engine_plans(const Network& network) {
  return {fused_plan(network), autograd_plan(network), device_plan(network)};
}

}  // namespace fer_ddp
