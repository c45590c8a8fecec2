#include "network/engine_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

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

// A stage's layers by the device's kernels (step/device/kernel_stages.h): a product leaves its sums, and one kernel
// makes of them all that is behind. At the end of a residual's branch that is the residual's own.
class DeviceKernelNames {
 public:
  explicit DeviceKernelNames(const StagePlan& plan) {
    for (const StageSpec& stage : plan.stages) add_stage(stage);
    if (const StageSpec& last = plan.stages.back(); last.kind == StageSpec::Kind::kBatchNorm)
      names_[last.layer->place] = within(*plan.head.front());
    add_head(plan.head);
  }
  [[nodiscard]] const std::string& of(const Layer& layer) const { return names_.at(layer.place); }

 private:
  void add_stage(const StageSpec& stage) {
    switch (stage.kind) {
      case StageSpec::Kind::kConvolution:
        if (add_in_one_pass(stage)) break;
        names_[stage.layer->place] =
            stage.input == StageSpec::kImages ? "image convolution" : "convolution as a product";
        add_behind(stage);
        break;
      case StageSpec::Kind::kBatchNorm:
        names_[stage.layer->place] = "normalization";
        break;
      case StageSpec::Kind::kMaxPool:
        names_[stage.layer->place] = "max-pool";
        break;
      case StageSpec::Kind::kAveragePool:
        names_[stage.layer->place] = "average pool";
        break;
      case StageSpec::Kind::kResidual:
        names_[stage.layer->place] = "sum + ReLU";
        names_[stage.relu->place] = within(*stage.layer);
        break;
      case StageSpec::Kind::kMaterialize:
        break;
    }
  }

  bool add_in_one_pass(const StageSpec& stage) {
    if (stage.input != StageSpec::kImages || stage.batch_norm != nullptr || stage.pool == nullptr) return false;
    names_[stage.layer->place] = "image convolution + ReLU + pool";
    for (const Layer* layer : {stage.relu, stage.pool}) names_[layer->place] = within(*stage.layer);
    return true;
  }

  void add_behind(const StageSpec& stage) {
    const std::string rest = stage.pool != nullptr ? "ReLU + pool" : "ReLU";
    if (stage.batch_norm != nullptr)
      names_[stage.batch_norm->place] = stage.relu != nullptr ? "normalization + " + rest : "in the residual's";
    if (stage.relu == nullptr) return;
    const Layer& first = stage.batch_norm != nullptr ? *stage.batch_norm : *stage.relu;
    names_[stage.relu->place] = stage.batch_norm != nullptr ? within(first) : "bias + " + rest;
    if (stage.pool != nullptr) names_[stage.pool->place] = within(first);
  }

  // The mean or the flattening also applies a normalization that stands last.
  void add_head(const std::vector<const Layer*>& layers) {
    const auto is_at = [&layers]<typename Kind>(size_t i, Kind) {
      return std::holds_alternative<Kind>(layers[i]->kind);
    };
    names_[layers.front()->place] = "rows of features";
    for (size_t i = 1; i + 1 < layers.size(); ++i) {
      std::string& name = names_[layers[i]->place];
      if (is_at(i, layer::Dense{})) name = "dense as a product";
      if (is_at(i, layer::Relu{})) name = is_at(i + 1, layer::Dropout{}) ? "bias + ReLU + dropout" : "bias + ReLU";
      if (is_at(i, layer::Dropout{})) name = is_at(i - 1, layer::Relu{}) ? within(*layers[i - 1]) : "dropout";
    }
    names_[layers.back()->place] = "classifier";
  }

  static std::string within(const Layer& layer) { return fmt::format("in layer {}'s", layer.place); }

  std::map<std::string, std::string> names_;
};

constexpr int64_t kMostImageChannels = 1024;  // of the convolution that reads the image: a block's threads share them
constexpr int64_t kMostRowUnits = 65536;      // of a kernel that goes through rows of values on its own

std::string kernel_refusal(const StagePlan& stages) {
  if (!stages.refusal.empty()) return "the device's kernels have no stage for it: " + stages.refusal;
  for (const StageSpec& stage : stages.stages)
    if (stage.input == StageSpec::kImages && stage.layer->output.channels > kMostImageChannels)
      return fmt::format("the device's kernels read the image for at most {} channels: layer {} (convolution) has {}",
                         kMostImageChannels, stage.layer->place, stage.layer->output.channels);
  for (const Layer* layer : stages.head)
    if (std::holds_alternative<layer::Dropout>(layer->kind) && layer->output.size() > kMostRowUnits)
      return fmt::format("the device's kernels are for at most {} values there: layer {} (dropout) has {}",
                         kMostRowUnits, layer->place, layer->output.size());
  return {};
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
    const auto is_tiled = [](const std::string& kernel) { return kernel == kWinograd || kernel == kDirect; };
    if (std::ranges::any_of(plan.kernels, is_tiled))
      plan.bf16 = "at precision bf16 matrix tiles (AMX) take the larger convolutions but the first";
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

EnginePlan device_plan(const Network& network) {
  const StagePlan stages = plan_stages(network);
  if (!kernel_refusal(stages).empty()) return operators("device", network, false);
  EnginePlan plan{.engine = "device",
                  .sameness =
                      "any number of ranks agrees within rounding; a resumed run goes on to the byte at the same ranks "
                      "on GPUs of the same model"};
  const DeviceKernelNames names(stages);
  for_each_layer(network.layers, [&](const Layer& layer) { plan.kernels.push_back(names.of(layer)); });
  return plan;
}

std::string device_kernel_refusal(const Network& network) { return kernel_refusal(plan_stages(network)); }

std::vector<EnginePlan> engine_plans(const Network& network) {
  return {fused_plan(network), autograd_plan(network), device_plan(network)};
}

}  // namespace fer_ddp
