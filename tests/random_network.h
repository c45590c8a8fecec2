// Small networks drawn at random, as tables: depth, widths, kernels, strides, paddings, where BatchNorm stands, pools,
// residuals with and without a shortcut's layers, dropout, dense layers. Of any kind, or such as the fused engine has
// stages for. A pure function of the number.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "core/random.h"
#include "network/table.h"

namespace fer_ddp {

class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t number) : random_(number, RandomPurpose::kSyntheticFaces, 0) {}

  [[nodiscard]] Network draw() {
    json layers = json::array();
    // Small images from the start: the test is about every kind of layer, not about large ones.
    add(layers, {{one_of({"max_pool", "average_pool"}), number(2, 4)}});
    side_ = 48 / layers.back().begin()->get<int64_t>();
    for (int64_t block = number(1, 3); block > 0; --block) add_block(layers);
    if (chance(2) || side_ > 8) {
      add(layers, {{"global_average_pool", json::object()}});
    } else {
      add(layers, {{"flatten", json::object()}});
    }
    if (chance(2)) {
      add(layers, {{"dense", number(3, 20)}, {"bias", chance(2)}});
      if (chance(3)) add(layers, batch_norm());
      add(layers, relu());
      if (chance(2)) add(layers, dropout());
    }
    return finished(layers);
  }

  // Of layers that the fused engine has stages for.
  [[nodiscard]] Network draw_staged() {
    json layers = json::array();
    // The first convolution sees the whole image; pools make it small at once.
    add_stage(layers, false);
    for (int i = 0; i < 2; ++i) {
      add(layers, {{"max_pool", 2}});
      side_ /= 2;
    }
    for (int64_t block = number(1, 3); block > 0; --block) {
      if (chance(2))
        add_staged_residual(layers);
      else
        add_stage(layers, true);
    }
    if (side_ > 6 || chance(2)) {
      add(layers, {{"global_average_pool", json::object()}});
    } else {
      add(layers, {{"flatten", json::object()}});
    }
    if (chance(3)) add(layers, dropout());
    if (chance(2)) {
      add(layers, {{"dense", 16 * number(1, 3)}, {"bias", chance(2)}});
      add(layers, relu());
      if (chance(2)) add(layers, dropout());
    }
    return finished(layers);
  }

 private:
  using json = nlohmann::json;

  [[nodiscard]] Network finished(json& layers) {
    add(layers, {{"dense", 7}});
    const json table = {{"input", one_of({"unit", "standardize_image"})}, {"layers", layers}};
    return parse_network(table.dump(), "random network");
  }

  static void add(json& layers, json layer) { layers.push_back(std::move(layer)); }
  [[nodiscard]] int64_t number(int64_t low, int64_t high) {
    return low + random_.next_below(static_cast<uint32_t>(high - low + 1));
  }
  [[nodiscard]] bool chance(uint32_t one_in) { return random_.next_below(one_in) == 0; }
  [[nodiscard]] std::string one_of(std::initializer_list<const char*> words) {
    return *(words.begin() + random_.next_below(static_cast<uint32_t>(words.size())));
  }
  [[nodiscard]] static json relu() { return {{"relu", json::object()}}; }
  [[nodiscard]] json dropout() { return {{"dropout", 0.125 * static_cast<double>(number(1, 5))}}; }
  [[nodiscard]] json batch_norm() {
    return {{"batch_norm",
             {{"epsilon", chance(2) ? 1e-3 : 1e-5},
              {"momentum", chance(2) ? 0.01 : 0.1},
              {"scale", !chance(4)},
              {"unbiased_variance", chance(2)}}}};
  }
  // Of a kernel that fits, and with it the new side.
  [[nodiscard]] json convolution(int64_t channels, int64_t kernel, int64_t stride, int64_t padding) {
    while (kernel > side_ + 2 * padding) --kernel;
    side_ = (side_ + 2 * padding - kernel) / stride + 1;
    channels_ = channels;
    json layer = {{"convolution", channels}, {"kernel", kernel}, {"stride", stride}, {"padding", padding}};
    if (chance(4)) layer["bias"] = chance(2);
    return layer;
  }

  void add_block(json& layers) {
    if (channels_ > 1 && chance(3)) {
      add_residual(layers);
    } else {
      // A BatchNorm takes all of a single weight's and bias's influence away again, but for what rounding leaves.
      const int64_t kernel = std::max<int64_t>(one_in_three_is_large(), channels_ == 1 ? 2 : 1);
      // No more padding than that: whole windows of it make channels that hardly vary.
      add(layers, convolution(number(2, 9), kernel, number(1, 2), number(0, kernel / 2)));
      const int64_t norm = number(0, 2);  // before the ReLU, after it, or none
      if (norm == 0) add(layers, batch_norm());
      add(layers, relu());
      if (side_ >= 4 && chance(2)) {
        const int64_t pool = number(2, 3);
        add(layers, {{one_of({"max_pool", "max_pool", "average_pool"}), pool}});
        side_ /= pool;
      }
      if (norm == 1) add(layers, batch_norm());
    }
    if (chance(4)) add(layers, dropout());
  }

  void add_residual(json& layers) {
    const int64_t before = channels_;
    const int64_t side = side_;
    json body = json::array();
    const bool halve = side % 2 == 0 && side > 2 && chance(2);
    const int64_t channels = halve ? number(2, 9) : before;
    if (chance(4)) add(body, relu());
    add(body, convolution(channels, 3, halve ? 2 : 1, 1));
    add(body, batch_norm());
    add(body, relu());
    if (chance(4)) add(body, dropout());
    add(body, convolution(channels, 3, 1, 1));
    if (chance(2)) add(body, batch_norm());
    json layer = {{"residual", body}};
    if (halve) {
      layer["shortcut"] = json::array({{{"average_pool", 2}}});
      side_ = side / 2;
      add(layer["shortcut"], convolution(channels, 1, 1, 0));
      if (chance(2)) add(layer["shortcut"], batch_norm());
    }
    add(layers, layer);
    if (!chance(4)) add(layers, relu());
  }

  // A convolution of a branch's middle or trunk, and what may follow it.
  void add_stage(json& layers, bool may_pool) {
    const int64_t channels = 16 * number(1, 3);
    const bool direct = channels_ > 1 && side_ >= 4 && chance(5);
    const int64_t kernel = direct && chance(2) ? 1 : 3;
    const bool pads = kernel == 3 && (side_ < 3 || number(0, 1) == 1);
    add(layers, convolution(channels, kernel, direct ? number(1, 2) : 1, pads ? 1 : 0));
    const int64_t norm = number(0, 3);  // before the ReLU twice as often, after it, or none
    if (norm <= 1) add(layers, batch_norm());
    add(layers, relu());
    if (may_pool && side_ >= 4 && chance(2)) {
      add(layers, {{chance(4) ? "average_pool" : "max_pool", 2}});
      side_ /= 2;
    }
    if (norm == 2) add(layers, batch_norm());
  }

  void add_staged_residual(json& layers) {
    const bool halve = side_ % 2 == 0 && side_ > 2 && chance(2);
    const int64_t before = channels_;
    const int64_t side = side_;
    const int64_t channels = halve ? 16 * number(1, 3) : before;
    json body = json::array();
    if (halve || chance(2)) {
      add(body, convolution(channels, 3, halve ? 2 : 1, 1));
      if (!chance(3)) add(body, batch_norm());
      add(body, relu());
    }
    const int64_t kernel = chance(4) ? 1 : 3;
    add(body, convolution(channels, kernel, 1, kernel / 2));
    if (!chance(3)) add(body, batch_norm());
    json layer = {{"residual", body}};
    if (halve) {
      layer["shortcut"] = json::array({{{"average_pool", 2}}});
      side_ = side / 2;
    }
    if (halve || chance(4)) {
      channels_ = before;
      if (!layer.contains("shortcut")) layer["shortcut"] = json::array();
      add(layer["shortcut"], convolution(channels, 1, 1, 0));
      if (chance(2)) add(layer["shortcut"], batch_norm());
    }
    add(layers, layer);
    add(layers, relu());
    if (side_ >= 4 && chance(3)) {
      add(layers, {{"max_pool", 2}});
      side_ /= 2;
    }
  }

  [[nodiscard]] int64_t one_in_three_is_large() { return chance(3) ? 5 : number(1, 3); }

  RandomStream random_;
  int64_t side_ = 48;
  int64_t channels_ = 1;
};

}  // namespace fer_ddp
