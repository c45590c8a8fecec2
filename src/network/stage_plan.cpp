#include "network/stage_plan.h"

#include <fmt/format.h>

#include <utility>

namespace fer_ddp {

namespace {

constexpr int64_t kChannelGroup = 16;  // channels that a vector holds at most
constexpr int64_t kPoolSide = 2;

template <typename Kind>
const Kind* as(const Layer& layer) {
  return std::get_if<Kind>(&layer.kind);
}

struct Refusal {
  std::string text;
};

class StageMatcher {
 public:
  StagePlan match(const Network& network) {
    try {
      const std::vector<Layer>& layers = network.layers;
      size_t head = 0;
      while (head < layers.size() && !layers[head].output.flat) ++head;
      const int trunk = branch(layers, head, StageSpec::kImages);
      if (trunk == StageSpec::kImages || reading_of(plan_.stages.back()) == Reading::kMappedOnly)
        refuse(layers[head], "must follow a ReLU or a pool");
      match_head(layers, head);
    } catch (const Refusal& refusal) {
      plan_ = {.refusal = refusal.text};
    }
    return std::move(plan_);
  }

 private:
  [[noreturn]] static void refuse(const Layer& layer, const std::string& why) {
    throw Refusal{fmt::format("layer {} ({}) {}", layer.place, kind_name(layer.kind), why)};
  }

  int add(StageSpec stage, const std::string& kernel) {
    plan_.stages.push_back(stage);
    if (stage.layer != nullptr) plan_.kernels[stage.layer->place] = kernel;
    return static_cast<int>(plan_.stages.size()) - 1;
  }
  void within(const Layer& layer, const Layer& stage) {
    plan_.kernels[layer.place] = fmt::format("in layer {}'s", stage.place);
  }
  [[nodiscard]] StageSpec& stage(int index) { return plan_.stages[static_cast<size_t>(index)]; }
  [[nodiscard]] Reading reading(int index) {
    return index == StageSpec::kImages ? Reading::kPlain : reading_of(stage(index));
  }

  // The first `count` layers, reading what stage `input` leaves; the stage that they end with.
  int branch(const std::vector<Layer>& layers, size_t count, int input) {
    size_t i = 0;
    while (i < count) {
      const Layer& layer = layers[i];
      if (reading(input) == Reading::kMappedOnly) refuse(layer, "follows a convolution without a ReLU between them");
      const Layer* next = i + 1 < count ? &layers[i + 1] : nullptr;
      if (as<layer::Convolution>(layer) != nullptr) {
        input = convolution(layers, i, count, input);
      } else if (as<layer::BatchNorm>(layer) != nullptr) {
        input = add({.kind = StageSpec::Kind::kBatchNorm, .input = plain(layer, input), .layer = &layer}, "batch_norm");
        ++i;
      } else if (as<layer::Residual>(layer) != nullptr) {
        if (next == nullptr || as<layer::Relu>(*next) == nullptr) refuse(layer, "has no ReLU behind it");
        input = residual(layer, input);
        stage(input).relu = next;
        within(*next, layer);
        i += 2;
      } else {
        input = pool(layer, input);
        ++i;
      }
      stage(input).output = layers[i - 1].output;
    }
    return input;
  }

  // A convolution with what belongs to it, from layers[i] on; i ends behind it.
  int convolution(const std::vector<Layer>& layers, size_t& i, size_t count, int input) {
    const Layer& layer = layers[i++];
    const std::string kernel = kernel_of(layer, input);
    StageSpec spec{.kind = StageSpec::Kind::kConvolution, .input = input, .layer = &layer};
    if (kernel == kDirect) spec.input = plain(layer, input);
    const auto next_is = [&](auto kind) { return i < count && as<decltype(kind)>(layers[i]) != nullptr; };
    if (next_is(layer::BatchNorm{})) {
      spec.batch_norm = &layers[i];
      within(layers[i++], layer);
    }
    if (next_is(layer::Relu{})) {
      spec.relu = &layers[i];
      within(layers[i++], layer);
      if (next_is(layer::MaxPool{}) && as<layer::MaxPool>(layers[i])->side == kPoolSide) {
        spec.pool = &layers[i];
        within(layers[i++], layer);
      }
    }
    return add(spec, kernel);
  }

  std::string kernel_of(const Layer& layer, int input) const {
    const auto& options = *as<layer::Convolution>(layer);
    const bool is_three = options.kernel == 3 && options.padding <= 1;
    if (options.channels % kChannelGroup != 0) refuse(layer, "has channels that are no multiple of 16");
    if (input == StageSpec::kImages) {
      if (!is_three || options.stride != 1 || layer.input.channels != 1)
        refuse(layer, "reads the image, which takes a 3 x 3 kernel of stride 1 and padding 0 or 1");
      return "image convolution";
    }
    if (is_three && options.stride == 1) return kWinograd;
    const bool is_one = options.kernel == 1 && options.padding == 0;
    if ((is_three || is_one) && options.stride <= 2) return kDirect;
    refuse(layer, "is neither 3 x 3 with padding 0 or 1 nor 1 x 1, of stride 1 or 2");
  }

  int pool(const Layer& layer, int input) {
    if (input == StageSpec::kImages) refuse(layer, "reads the image, which a convolution must");
    if (const auto* max = as<layer::MaxPool>(layer); max != nullptr && max->side == kPoolSide)
      return add({.kind = StageSpec::Kind::kMaxPool, .input = plain(layer, input), .layer = &layer}, "max-pool");
    if (const auto* average = as<layer::AveragePool>(layer); average != nullptr && average->side == kPoolSide)
      return add({.kind = StageSpec::Kind::kAveragePool, .input = plain(layer, input), .layer = &layer},
                 "average pool");
    refuse(layer, "matches no stage there");
  }

  int residual(const Layer& layer, int input) {
    const auto& options = *as<layer::Residual>(layer);
    if (input == StageSpec::kImages) refuse(layer, "reads the image, which a convolution must");
    const int body = branch(options.body, options.body.size(), input);
    if (reading(body) != Reading::kMappedOnly)
      refuse(options.body.back(), "ends a residual's body, which a convolution or its batch_norm must");
    const int shortcut = branch(options.shortcut, options.shortcut.size(), input);
    if (shortcut != input && reading(shortcut) != Reading::kMappedOnly)
      refuse(options.shortcut.back(), "ends a residual's shortcut, which a convolution or its batch_norm must");
    return add({.kind = StageSpec::Kind::kResidual, .input = body, .shortcut = shortcut, .layer = &layer},
               "sum + ReLU");
  }

  // A stage whose values are what is to be read.
  int plain(const Layer& layer, int input) {
    if (input == StageSpec::kImages) refuse(layer, "reads the image, which a 3 x 3 convolution must");
    if (reading(input) == Reading::kPlain) return input;
    const auto known = materialized_.find(input);
    if (known != materialized_.end()) return known->second;
    const FeatureShape shape = stage(input).output;
    const int made = add({.kind = StageSpec::Kind::kMaterialize, .input = input, .output = shape}, "");
    return materialized_[input] = made;
  }

  void match_head(const std::vector<Layer>& layers, size_t first) {
    for (size_t i = first; i < layers.size(); ++i) {
      const Layer& layer = layers[i];
      if (as<layer::BatchNorm>(layer) != nullptr) refuse(layer, "stands among the dense layers");
      if (as<layer::Relu>(layer) != nullptr && as<layer::Dense>(layers[i - 1]) == nullptr)
        refuse(layer, "follows no dense layer");
      if (const auto* dense = as<layer::Dense>(layer);
          dense != nullptr && i + 1 < layers.size() && dense->units % kChannelGroup != 0)
        refuse(layer, "has units that are no multiple of 16");
      plan_.head.push_back(&layer);
      plan_.kernels[layer.place] = "head";
    }
  }

  StagePlan plan_;
  std::map<int, int> materialized_;  // by the stage whose values they are
};

}  // namespace

Reading reading_of(const StageSpec& stage) {
  if (stage.kind != StageSpec::Kind::kConvolution) return Reading::kPlain;
  return stage.relu != nullptr ? Reading::kMapped : Reading::kMappedOnly;
}

StagePlan plan_stages(const Network& network) { return StageMatcher().match(network); }

}  // namespace fer_ddp
