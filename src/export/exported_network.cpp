#include "export/exported_network.h"

#include <fmt/ranges.h>

#include <set>

#include "core/error.h"
#include "core/expressions.h"
#include "network/table.h"
#include "network/tensors.h"

namespace fer_ddp {

namespace {

Error does_not_fit(const std::string& source, const std::string& reason) {
  return user_error(fmt::format("{}: is not of the run's network: {}", source, reason),
                    "Put back the network.json and model.safetensors that the run wrote.");
}

}  // namespace

void require_weights_of_network(const ExportedNetwork& exported, const std::string& source) {
  std::set<std::string> known;
  for (const NetworkTensor& tensor : network_tensors(exported.network)) {
    const auto found = exported.weights.find(tensor.name);
    if (found == exported.weights.end()) throw does_not_fit(source, fmt::format("{} is missing", tensor.name));
    if (found->second.shape != tensor.shape)
      throw does_not_fit(source, fmt::format("{} is [{}], the network's is [{}]", tensor.name,
                                             fmt::join(found->second.shape, ", "), fmt::join(tensor.shape, ", ")));
    known.insert(tensor.name);
  }
  for (const auto& [name, tensor] : exported.weights)
    if (!known.contains(name)) throw does_not_fit(source, fmt::format("the network has no {}", name));
}

std::string class_names() { return fmt::format("{}", fmt::join(kExpressionNames, ",")); }

void write_weights(const ExportedNetwork& exported, const ByteSink& to) {
  write_safetensors(
      sources_of(exported.weights),
      {{"format", "pt"}, {"network", network_to_json(exported.network).dump()}, {"classes", class_names()}}, to);
}

}  // namespace fer_ddp
