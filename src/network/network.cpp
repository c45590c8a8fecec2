#include "network/network.h"

#include <fmt/format.h>

#include <array>

namespace fer_ddp {

std::string FeatureShape::text() const {
  return flat ? fmt::format("[{}]", channels) : fmt::format("[{}, {}, {}]", channels, height, width);
}

const char* kind_name(const LayerKind& kind) {
  static constexpr std::array<const char*, std::variant_size_v<LayerKind>> kNames = {
      "convolution",         "batch_norm", "relu",    "max_pool", "average_pool",
      "global_average_pool", "flatten",    "dropout", "dense",    "residual"};
  return kNames.at(kind.index());
}

void for_each_layer(const std::vector<Layer>& layers, const std::function<void(const Layer&)>& visit) {
  for (const Layer& each : layers) {
    visit(each);
    if (const auto* residual = std::get_if<layer::Residual>(&each.kind)) {
      for_each_layer(residual->body, visit);
      for_each_layer(residual->shortcut, visit);
    }
  }
}

double product_flop(const Layer& each) {
  if (const auto* convolution = std::get_if<layer::Convolution>(&each.kind)) {
    const auto weights = static_cast<double>(each.input.channels * convolution->kernel * convolution->kernel);
    return 2.0 * weights * static_cast<double>(each.output.size());
  }
  if (std::holds_alternative<layer::Dense>(each.kind))
    return 2.0 * static_cast<double>(each.input.size()) * static_cast<double>(each.output.size());
  return 0;
}

}  // namespace fer_ddp
