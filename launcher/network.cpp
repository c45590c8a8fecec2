// `fer-ddp network NAME|FILE`: a network's layers, their shapes, parameters and operations, and what each engine makes
// of it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "comm/agreement.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "launcher/command.h"
#include "network/engine_plan.h"
#include "network/table.h"
#include "network/tensors.h"

namespace fer_ddp {

namespace {

using nlohmann::ordered_json;

struct NetworkOptions {
  std::string network;
  bool json = false;
};

// What a network costs, of one layer or of all.
struct Cost {
  int64_t parameters = 0;
  int64_t trained = 0;
  double flop = 0;

  Cost& operator+=(const Cost& other) {
    parameters += other.parameters;
    trained += other.trained;
    flop += other.flop;
    return *this;
  }
};

Cost cost_of(const Layer& layer) {
  Cost cost{.flop = product_flop(layer)};
  for (const NetworkTensor& tensor : layer_tensors(layer)) {
    cost.parameters += tensor.size();
    if (tensor.trained) cost.trained += tensor.size();
  }
  return cost;
}

Cost cost_of(const Network& network) {
  Cost cost;
  for_each_layer(network.layers, [&](const Layer& layer) { cost += cost_of(layer); });
  return cost;
}

ordered_json shape_to_json(const FeatureShape& shape) {
  return shape.flat ? ordered_json{shape.channels} : ordered_json{shape.channels, shape.height, shape.width};
}

ordered_json description(const Network& network) {
  ordered_json layers = ordered_json::array();
  for_each_layer(network.layers, [&](const Layer& layer) {
    const Cost cost = cost_of(layer);
    layers.push_back({{"place", layer.place},
                      {"kind", kind_name(layer.kind)},
                      {"name", layer.name},
                      {"output", shape_to_json(layer.output)},
                      {"parameters", cost.parameters},
                      {"mflop", cost.flop / 1e6}});
  });
  ordered_json engines = ordered_json::array();
  for (const EnginePlan& plan : engine_plans(network))
    engines.push_back({{"engine", plan.engine},
                       {"runs", plan.refusal.empty()},
                       {"refusal", plan.refusal},
                       {"kernels", plan.kernels},
                       {"sameness", plan.sameness},
                       {"bf16", plan.bf16}});
  const Cost cost = cost_of(network);
  return {{"name", network.name},
          {"input", network_to_json(network)["input"]},
          {"hash", network_hash(network)},
          {"parameters", cost.parameters},
          {"trained_parameters", cost.trained},
          {"mflop", cost.flop / 1e6},
          {"layers", layers},
          {"engines", engines}};
}

// A layer within a residual stands below it, indented.
std::string title(const Layer& layer) {
  const auto depth = static_cast<size_t>(std::count(layer.place.begin(), layer.place.end(), '.'));
  const std::string indent(2 * std::min<size_t>(depth, 8), ' ');
  return indent + layer.place + " " + kind_name(layer.kind) + (layer.name.empty() ? "" : " " + layer.name);
}

size_t widest(const std::vector<std::string>& texts, size_t least) {
  for (const std::string& text : texts) least = std::max(least, text.size());
  return least;
}

std::string table(const Network& network) {
  const std::vector<EnginePlan> plans = engine_plans(network);
  std::vector<std::string> titles;
  for_each_layer(network.layers, [&](const Layer& layer) { titles.push_back(title(layer)); });
  const size_t width = widest(titles, 5);
  std::vector<size_t> widths;
  widths.reserve(plans.size());
  for (const EnginePlan& plan : plans) widths.push_back(widest(plan.kernels, plan.engine.size()));

  std::string text = fmt::format("{:<{}}  {:>16}  {:>12}  {:>10}", "layer", width, "output", "parameters", "MFLOP");
  const auto end_line = [&] {
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  };
  const auto add_kernels = [&](const auto& cell) {
    for (size_t i = 0; i < plans.size(); ++i)
      if (plans[i].refusal.empty()) text += fmt::format("  {:<{}}", cell(plans[i]), widths[i]);
    end_line();
  };
  add_kernels([](const EnginePlan& plan) { return plan.engine; });
  size_t row = 0;
  for_each_layer(network.layers, [&](const Layer& layer) {
    const Cost cost = cost_of(layer);
    text += fmt::format("{:<{}}  {:>16}  {:>12}  {:>10}", titles[row], width, layer.output.text(),
                        cost.parameters == 0 ? "" : grouped(cost.parameters),
                        cost.flop == 0 ? "" : fmt::format("{:.3f}", cost.flop / 1e6));
    add_kernels([row](const EnginePlan& plan) { return plan.kernels[row]; });
    ++row;
  });
  const Cost cost = cost_of(network);
  text += fmt::format(
      "\n{}: {} parameters, {} of them trained; {:.1f} MFLOP an image, forward (two a multiplication with a weight); "
      "input {}; table {}\n",
      network.name, grouped(cost.parameters), grouped(cost.trained), cost.flop / 1e6,
      network_to_json(network)["input"].get<std::string>(), network_hash(network));
  for (const EnginePlan& plan : plans)
    text += plan.refusal.empty() ? fmt::format("{}: runs it; {}{}{}\n", plan.engine, plan.sameness,
                                               plan.bf16.empty() ? "" : "; ", plan.bf16)
                                 : fmt::format("{}: cannot run it: {}\n", plan.engine, plan.refusal);
  return text;
}

int run_network(const NetworkOptions& options, Session& session) {
  run_on_rank_0(session.communicator(), [&] {
    const Network network = load_network(options.network);
    print_result(options.json ? description(network).dump() + "\n" : table(network));
  });
  return 0;
}

}  // namespace

void add_network_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("network", "Prints a network's layers, and which engines can train it");
  const auto options = std::make_shared<NetworkOptions>();
  command->add_option("NETWORK", options->network, "A built-in network, or a .json file")->required();
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_network(*options, session); }; });
}

}  // namespace fer_ddp
