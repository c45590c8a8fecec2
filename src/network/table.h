// Tables, the text of networks: a JSON object {"name", "comment", "input", "layers": [...]}. A layer is an object with
// one kind, its options beside it (of batch_norm, in its object), and an optional name:
//
//   {"convolution": channels, "kernel": 3, "stride": 1, "padding": 0, "bias": true, but false right before a
//   batch_norm}
//   {"batch_norm": {"epsilon": 1e-5, "momentum": 0.1, "scale": true, "unbiased_variance": true}}
//   {"relu": {}}  {"flatten": {}}  {"global_average_pool": {}}
//   {"max_pool": side}  {"average_pool": side}
//   {"dropout": share}
//   {"dense": units, "bias": true}
//   {"residual": [layers], "shortcut": [layers]}
//
// Layers with weights that have no name get one by their kind, counted among the unnamed ones in the order of reading:
// conv1, bn1, fc1. Tables come from users: whatever is in one is looked at before it is believed, and no table costs
// more than a few megabytes to refuse.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "network/network.h"

namespace fer_ddp {

// `where` names the table in messages. Throws Error (the user's fault) saying at which layer (its place in the table),
// what is wrong, and the shape there.
[[nodiscard]] Network parse_network(std::string_view table, const std::string& where);

// The table that says everything: all options and the names of all layers with weights. parse_network() makes the same
// network of it.
[[nodiscard]] nlohmann::ordered_json network_to_json(const Network& network);

// A checksum, 32 digits, of all that decides what the network computes: its own name and how the table was written are
// left out.
[[nodiscard]] std::string network_hash(const Network& network);

// The tables that the executable carries (launcher/networks).
struct BuiltInTable {
  const char* name;
  std::string_view text;
};
[[nodiscard]] const std::vector<BuiltInTable>& built_in_tables();

// A built-in network by its name, or the table of a .json file. Throws Error (the user's fault); a name that is neither
// is told the nearest one.
[[nodiscard]] Network load_network(const std::string& name_or_file);

// The table in a file, whatever the file is called.
[[nodiscard]] Network read_network(const std::filesystem::path& file);

// The network that config.model names, with config.dropout where that is given.
[[nodiscard]] Network configured_network(const Config& config);

// The same of a run: the table that it wrote into its folder. Of one that wrote none, config.model's.
[[nodiscard]] Network network_of_run(const std::filesystem::path& folder, const Config& config);

}  // namespace fer_ddp
