#include "network/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/run_layout.h"
#include "core/text.h"
#include "network/table_json.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

ordered_json layers_to_json(const std::vector<Layer>& layers);

struct KindToJson {
  ordered_json operator()(const layer::Convolution& options) const {
    return {{"convolution", options.channels},
            {"kernel", options.kernel},
            {"stride", options.stride},
            {"padding", options.padding},
            {"bias", options.bias}};
  }
  ordered_json operator()(const layer::BatchNorm& options) const {
    return {{"batch_norm",
             {{"epsilon", options.epsilon},
              {"momentum", options.momentum},
              {"scale", options.scale},
              {"unbiased_variance", options.unbiased_variance}}}};
  }
  ordered_json operator()(const layer::Relu&) const { return {{"relu", ordered_json::object()}}; }
  ordered_json operator()(const layer::MaxPool& options) const { return {{"max_pool", options.side}}; }
  ordered_json operator()(const layer::AveragePool& options) const { return {{"average_pool", options.side}}; }
  ordered_json operator()(const layer::GlobalAveragePool&) const {
    return {{"global_average_pool", ordered_json::object()}};
  }
  ordered_json operator()(const layer::Flatten&) const { return {{"flatten", ordered_json::object()}}; }
  ordered_json operator()(const layer::Dropout& options) const { return {{"dropout", options.share}}; }
  ordered_json operator()(const layer::Dense& options) const {
    return {{"dense", options.units}, {"bias", options.bias}};
  }
  ordered_json operator()(const layer::Residual& options) const {
    ordered_json object = {{"residual", layers_to_json(options.body)}};
    if (!options.shortcut.empty()) object["shortcut"] = layers_to_json(options.shortcut);
    return object;
  }
};

ordered_json layers_to_json(const std::vector<Layer>& layers) {
  ordered_json list = ordered_json::array();
  for (const Layer& each : layers) {
    ordered_json object = std::visit(KindToJson{}, each.kind);
    if (!each.name.empty()) object["name"] = each.name;
    list.push_back(std::move(object));
  }
  return list;
}

const BuiltInTable* find_built_in(const std::string& name) {
  const auto& tables = built_in_tables();
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const BuiltInTable& t) { return name == t.name; });
  return found == tables.end() ? nullptr : &*found;
}

// Puts `share` into every dropout layer.
void replace_dropout(std::vector<Layer>& layers, double share) {
  for (Layer& each : layers) {
    if (auto* dropout = std::get_if<layer::Dropout>(&each.kind)) dropout->share = share;
    if (auto* residual = std::get_if<layer::Residual>(&each.kind)) {
      replace_dropout(residual->body, share);
      replace_dropout(residual->shortcut, share);
    }
  }
}

Network with_dropout(Network network, std::optional<double> share) {
  if (share) replace_dropout(network.layers, *share);
  return network;
}

}  // namespace

ordered_json network_to_json(const Network& network) {
  ordered_json table = ordered_json::object();
  if (!network.name.empty()) table["name"] = network.name;
  table["input"] = network.input == PixelScale::kUnit ? "unit" : "standardize_image";
  table["layers"] = layers_to_json(network.layers);
  return table;
}

std::string network_hash(const Network& network) {
  ordered_json table = network_to_json(network);
  table.erase("name");
  return checksum(table.dump());
}

Network read_network(const fs::path& file) {
  std::error_code problem;
  const fs::file_status status = fs::status(file, problem);
  if (fs::exists(status) && !fs::is_regular_file(status))
    throw user_error(fmt::format("{}: not a file, expected the table of a network", file.string()));
  const auto size = fs::is_regular_file(status) ? fs::file_size(file, problem) : 0;
  if (size > kMostTableBytes)  // before it is in memory
    throw user_error(
        fmt::format("{}: {} bytes, a table of a network has at most {}", file.string(), size, kMostTableBytes),
        "Is this the right file?");
  Network network = parse_network(read_file(file), file.string());
  if (network.name.empty()) network.name = file.stem().string();
  return network;
}

Network load_network(const std::string& name_or_file) {
  if (const BuiltInTable* found = find_built_in(name_or_file)) return parse_network(found->text, found->name);
  if (name_or_file.ends_with(".json")) return read_network(name_or_file);
  std::vector<std::string> names;
  for (const BuiltInTable& table : built_in_tables()) names.emplace_back(table.name);
  const std::string nearest = nearest_word(name_or_file, names);
  throw user_error(fmt::format("there is no network {}, expected {}, or a .json file", printable(name_or_file, 64),
                               joined_choices(names)),
                   nearest.empty() ? "A network of your own is a table in a file: model=mine.json."
                                   : fmt::format("Did you mean {}?", nearest));
}

Network configured_network(const Config& config) { return with_dropout(load_network(config.model), config.dropout); }

Network network_of_run(const fs::path& folder, const Config& config) {
  const fs::path file = folder / run_file::kNetwork;
  return fs::exists(file) ? with_dropout(read_network(file), config.dropout) : configured_network(config);
}

}  // namespace fer_ddp
