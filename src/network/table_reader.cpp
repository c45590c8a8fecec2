#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "core/error.h"
#include "core/expressions.h"
#include "core/text.h"
#include "network/table.h"
#include "network/table_json.h"
#include "network/table_values.h"
#include "network/tensors.h"

namespace fer_ddp {

using nlohmann::json;

namespace {

constexpr int64_t kMostLayers = 1000;  // the numbers of a dropout stream end behind the 1023rd
constexpr int64_t kMostChannels = 1 << 16;
constexpr int64_t kMostSide = 1024;  // of kernels, strides, paddings and pools
constexpr int64_t kMostWeights = int64_t{1} << 28;
constexpr size_t kMostNameLength = 64;

struct KindRule {
  const char* kind;
  std::vector<std::string> options;  // beside it
};

const std::vector<KindRule>& kind_rules() {
  static const std::vector<KindRule> kRules = {{"convolution", {"kernel", "stride", "padding", "bias"}},
                                               {"batch_norm", {}},
                                               {"relu", {}},
                                               {"max_pool", {}},
                                               {"average_pool", {}},
                                               {"global_average_pool", {}},
                                               {"flatten", {}},
                                               {"dropout", {}},
                                               {"dense", {"bias"}},
                                               {"residual", {"shortcut"}}};
  return kRules;
}

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const KindRule& rule : kind_rules()) names.emplace_back(rule.kind);
  return names;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const std::string nearest = nearest_word(word.substr(0, kMostNameLength), known);
  return nearest.empty() ? fmt::format("Known are {}.", joined_choices(known))
                         : fmt::format("Did you mean \"{}\"?", nearest);
}

class TableReader : private TableValues {
 public:
  using TableValues::TableValues;

  Network read(const json& table) {
    if (!table.is_object())
      refuse_table("not a JSON object", "A table looks like {\"layers\": [{\"flatten\": {}}, {\"dense\": 7}]}.");
    static const std::vector<std::string> kKeys = {"name", "comment", "input", "layers"};
    for (const auto& [key, value] : table.items()) {
      if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
        refuse_table(fmt::format("unknown key {}", excerpt(key)), did_you_mean(key, kKeys));
    }
    Network network;
    network.name = read_network_name(table);
    network.input = read_input(table);
    if (!table.contains("layers") || !table["layers"].is_array() || table["layers"].empty())
      refuse_table("layers is missing, or no list of layers", "Give \"layers\": [...], the last one {\"dense\": 7}.");
    find_given_names(table["layers"], "");
    network.layers = read_layers(table["layers"], "", {1, kImageSide, kImageSide, false});
    require_logits(network.layers.back());
    return network;
  }

 private:
  std::string read_network_name(const json& table) const {
    if (!table.contains("name")) return {};
    const json& name = table["name"];
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; };
    if (name.is_string()) {
      const auto& text = name.get_ref<const std::string&>();
      if (!text.empty() && text.size() <= kMostNameLength && std::none_of(text.begin(), text.end(), is_control))
        return text;
    }
    refuse_table(fmt::format("name is {}, expected a text of 1 to {} characters", excerpt(name), kMostNameLength),
                 "It is what people call the network.");
  }

  PixelScale read_input(const json& table) const {
    const json input = table.value("input", json("unit"));
    if (input == "unit") return PixelScale::kUnit;
    if (input == "standardize_image") return PixelScale::kStandardizeImage;
    refuse_table(fmt::format("input is {}, expected \"unit\" or \"standardize_image\"", excerpt(input)),
                 "unit: x / 255; standardize_image: of that, each image less its mean, by its standard deviation.");
  }

  // A first pass, so that a name that is counted never meets one that is given further down.
  void find_given_names(const json& layers, const std::string& prefix) {
    for (size_t i = 0; i < layers.size(); ++i) {
      const json& object = layers[i];
      if (!object.is_object()) continue;
      const std::string place = prefix + std::to_string(i + 1);
      if (object.contains("name") && object["name"].is_string()) {
        const auto& name = object["name"].get_ref<const std::string&>();
        const auto [earlier, is_new] = given_names_.emplace(name, place);
        if (!is_new)
          refuse_table(fmt::format("layer {}: the name {} is layer {}'s as well", place, excerpt(object["name"]),
                                   earlier->second),
                       "Weights and random numbers go by a layer's name: give each its own.");
      }
      for (const auto& [key, inner] : {std::pair("residual", "."), std::pair("shortcut", ".shortcut.")})
        if (object.contains(key) && object[key].is_array()) find_given_names(object[key], place + inner);
    }
  }

  std::vector<Layer> read_layers(const json& list, const std::string& prefix, FeatureShape shape) {
    std::vector<Layer> layers;
    for (size_t i = 0; i < list.size(); ++i) {
      TablePlace place{.layer = prefix + std::to_string(i + 1), .shape = shape};
      if (++layers_ > kMostLayers)
        refuse(place, fmt::format("the table has more than {} layers", kMostLayers), "Leave some out.");
      const bool before_batch_norm =
          i + 1 < list.size() && list[i + 1].is_object() && list[i + 1].contains("batch_norm");
      layers.push_back(read_layer(list[i], place, before_batch_norm));
      shape = layers.back().output;
    }
    return layers;
  }

  Layer read_layer(const json& object, TablePlace& place, bool before_batch_norm) {
    place.kind = kind_of(object, place);
    Layer read;
    read.place = place.layer;
    read.input = place.shape;
    read.output = place.shape;
    read_kind(read, object, place, before_batch_norm);
    if (read.output.size() > kDropoutNumbers)
      refuse(place,
             fmt::format("{} has {} values an image, at most {} are possible", read.output.text(),
                         grouped(read.output.size()), grouped(kDropoutNumbers)),
             "Take fewer channels, or pool before.");
    name_layer(read, object, place);
    for (const NetworkTensor& tensor : layer_tensors(read)) weights_ += tensor.size();
    if (weights_ > kMostWeights)
      refuse(place,
             fmt::format("with it the network has {} parameters, at most {} are possible", grouped(weights_),
                         grouped(kMostWeights)),
             "Take fewer channels, or pool before a dense layer.");
    return read;
  }

  // The one kind of a layer, and nothing beside it that the kind does not know.
  std::string kind_of(const json& object, const TablePlace& place) const {
    if (!object.is_object())
      refuse(place, fmt::format("{} is no layer", excerpt(object)), "A layer is an object such as {\"relu\": {}}.");
    const KindRule* found = nullptr;
    for (const KindRule& rule : kind_rules()) {
      if (!object.contains(rule.kind)) continue;
      if (found != nullptr)
        refuse(place, fmt::format("{} and {} in one layer", found->kind, rule.kind), "Each layer has one kind.");
      found = &rule;
    }
    if (found == nullptr) {
      const std::string first = object.empty() ? std::string() : object.begin().key();
      refuse(place, fmt::format("no kind of layer among its keys ({})", object.empty() ? "none" : excerpt(first)),
             did_you_mean(first, kind_names()));
    }
    std::vector<std::string> known = found->options;
    known.emplace_back("name");
    for (const auto& [key, value] : object.items())
      if (key != found->kind && std::find(known.begin(), known.end(), key) == known.end())
        refuse(place, fmt::format("{} has no option {}", found->kind, excerpt(key)), did_you_mean(key, known));
    return found->kind;
  }

  void read_kind(Layer& read, const json& object, const TablePlace& place, bool before_batch_norm) {
    const json& value = object.at(place.kind);
    if (place.kind == "convolution") {
      read_convolution(read, object, place, before_batch_norm);
    } else if (place.kind == "batch_norm") {
      read.kind = read_batch_norm(value, place);
    } else if (place.kind == "relu") {
      require_empty(value, place);
      read.kind = layer::Relu{};
    } else if (place.kind == "max_pool") {
      read.kind = layer::MaxPool{.side = read_pool(read, value, place)};
    } else if (place.kind == "average_pool") {
      read.kind = layer::AveragePool{.side = read_pool(read, value, place)};
    } else if (place.kind == "global_average_pool") {
      require_empty(value, place);
      require_image(place);
      read.kind = layer::GlobalAveragePool{};
      read.output = {.channels = place.shape.channels, .flat = true};
    } else if (place.kind == "flatten") {
      require_empty(value, place);
      read.kind = layer::Flatten{};
      read.output = {.channels = place.shape.size(), .flat = true};
    } else if (place.kind == "dropout") {
      const Bounds share{.low = 0, .high = 1, .high_excluded = true};
      read.kind = layer::Dropout{.share = number(value, "the share", share, place), .number = dropouts_++};
    } else if (place.kind == "dense") {
      read_dense(read, object, place);
    } else {
      read_residual(read, object, place);
    }
  }

  void read_convolution(Layer& read, const json& object, const TablePlace& place, bool before_batch_norm) {
    require_image(place);
    layer::Convolution options;
    options.channels = whole(object.at("convolution"), "the number of channels", 1, kMostChannels, place);
    if (object.contains("kernel")) options.kernel = whole(object["kernel"], "kernel", 1, kMostSide, place);
    if (object.contains("stride")) options.stride = whole(object["stride"], "stride", 1, kMostSide, place);
    if (object.contains("padding")) options.padding = whole(object["padding"], "padding", 0, kMostSide, place);
    options.bias = object.contains("bias") ? truth(object["bias"], "bias", place) : !before_batch_norm;
    const int64_t height = place.shape.height + 2 * options.padding;
    const int64_t width = place.shape.width + 2 * options.padding;
    if (options.kernel > height || options.kernel > width)
      refuse(place, fmt::format("a kernel of {0} x {0} does not fit into {1} x {2}", options.kernel, height, width),
             "Take a smaller kernel, more padding, or pool less before.");
    read.output = {.channels = options.channels,
                   .height = (height - options.kernel) / options.stride + 1,
                   .width = (width - options.kernel) / options.stride + 1};
    read.kind = options;
  }

  layer::BatchNorm read_batch_norm(const json& object, const TablePlace& place) const {
    static const std::vector<std::string> kOptions = {"epsilon", "momentum", "scale", "unbiased_variance"};
    if (!object.is_object())
      refuse(place, fmt::format("its value is {}, expected an object", excerpt(object)),
             "batch_norm's options stand in its object: {\"batch_norm\": {\"momentum\": 0.01}}.");
    for (const auto& [key, value] : object.items())
      if (std::find(kOptions.begin(), kOptions.end(), key) == kOptions.end())
        refuse(place, fmt::format("it has no option {}", excerpt(key)), did_you_mean(key, kOptions));
    layer::BatchNorm options;
    const Bounds epsilon{.low = 0, .high = 1, .low_excluded = true};
    if (object.contains("epsilon")) options.epsilon = number(object["epsilon"], "epsilon", epsilon, place);
    if (object.contains("momentum")) options.momentum = number(object["momentum"], "momentum", {0, 1}, place);
    if (object.contains("scale")) options.scale = truth(object["scale"], "scale", place);
    if (object.contains("unbiased_variance"))
      options.unbiased_variance = truth(object["unbiased_variance"], "unbiased_variance", place);
    return options;
  }

  int64_t read_pool(Layer& read, const json& value, const TablePlace& place) const {
    require_image(place);
    const int64_t side = whole(value, "the side", 1, kMostSide, place);
    if (side > place.shape.height || side > place.shape.width)
      refuse(place, fmt::format("a window of {0} x {0} does not fit", side), "Take a smaller one, or none.");
    read.output.height /= side;
    read.output.width /= side;
    return side;
  }

  void read_dense(Layer& read, const json& object, const TablePlace& place) {
    if (!place.shape.flat)
      refuse(place, "a dense layer wants a row of features",
             "Put {\"flatten\": {}} or {\"global_average_pool\": {}} before it.");
    layer::Dense options;
    options.units = whole(object.at("dense"), "the number of units", 1, kMostChannels, place);
    if (object.contains("bias")) options.bias = truth(object["bias"], "bias", place);
    read.output = {.channels = options.units, .flat = true};
    read.kind = options;
  }

  void read_residual(Layer& read, const json& object, const TablePlace& place) {
    const auto list = [&](const char* key) -> const json& {
      const json& value = object.at(key);
      if (!value.is_array()) refuse(place, fmt::format("{} is {}, expected a list of layers", key, excerpt(value)), "");
      return value;
    };
    const json& body = list("residual");
    if (body.empty()) refuse(place, "it has no layers", "A residual adds the outcome of its layers to what came in.");
    layer::Residual residual;
    residual.body = read_layers(body, place.layer + ".", place.shape);
    if (object.contains("shortcut"))
      residual.shortcut = read_layers(list("shortcut"), place.layer + ".shortcut.", place.shape);
    const FeatureShape beside = residual.shortcut.empty() ? place.shape : residual.shortcut.back().output;
    read.output = residual.body.back().output;
    if (read.output != beside)
      refuse(place, fmt::format("its layers end with {}, its shortcut with {}", read.output.text(), beside.text()),
             "Both are added up: give the shortcut layers that lead to the same shape.");
    read.kind = std::move(residual);
  }

  void name_layer(Layer& read, const json& object, const TablePlace& place) {
    const char* counted = nullptr;
    size_t kind = 0;
    if (std::holds_alternative<layer::Convolution>(read.kind)) counted = "conv";
    if (std::holds_alternative<layer::BatchNorm>(read.kind)) counted = "bn", kind = 1;
    if (std::holds_alternative<layer::Dense>(read.kind)) counted = "fc", kind = 2;
    if (object.contains("name")) {
      read.name = read_layer_name(object["name"], place);
    } else if (counted != nullptr) {
      read.name = fmt::format("{}{}", counted, ++counts_.at(kind));
      if (const auto given = given_names_.find(read.name); given != given_names_.end())
        refuse(place, fmt::format("it counts as {}, and layer {} was given that name", read.name, given->second),
               "Name both, or neither.");
    }
  }

  std::string read_layer_name(const json& name, const TablePlace& place) const {
    const auto is_allowed = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
             c == '-';
    };
    if (name.is_string()) {
      const auto& text = name.get_ref<const std::string&>();
      if (!text.empty() && text.size() <= kMostNameLength && std::all_of(text.begin(), text.end(), is_allowed))
        return text;
    }
    refuse(place,
           fmt::format("its name is {}, expected 1 to {} letters, digits, and any of _ . -", excerpt(name),
                       kMostNameLength),
           "Files of weights go by it.");
  }

  void require_logits(const Layer& last) const {
    const auto* dense = std::get_if<layer::Dense>(&last.kind);
    if (dense != nullptr && dense->units == kExpressionCount) return;
    const TablePlace place{.layer = last.place, .kind = kind_name(last.kind), .shape = last.output};
    refuse(place, fmt::format("the last layer must be {{\"dense\": {}}}", kExpressionCount),
           "Its outputs are the logits, one a class.");
  }

  std::map<std::string, std::string, std::less<>> given_names_;  // and the places of their layers
  std::array<int, 3> counts_{};                                  // of the layers that the table does not name
  int64_t layers_ = 0;
  int64_t weights_ = 0;
  int64_t dropouts_ = 0;
};

}  // namespace

Network parse_network(std::string_view table, const std::string& where) {
  return TableReader(where).read(parse_table_json(table, where));
}

}  // namespace fer_ddp
