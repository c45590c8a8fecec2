#include "step/fused/stages/staged_layout.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

namespace fer_ddp {

StagedLayout::StagedLayout(const StagePlan& plan, const ParameterStore& store) : stages_(plan.stages.size()) {
  for (const Layer* layer : plan.head)
    if (std::holds_alternative<layer::Dense>(layer->kind))
      head_.push_back(
          {.weights = add(store, layer->name + ".weight", false), .bias = add_if_there(store, layer->name + ".bias")});
  head_range_ = {0, layout_.size};
  for (size_t i = plan.stages.size(); i-- > 0;)
    if (plan.stages[i].kind == StageSpec::Kind::kConvolution)
      stages_[i].weights = add(store, plan.stages[i].layer->name + ".weight", true);
  channel_range_.begin = layout_.size;
  for (size_t i = plan.stages.size(); i-- > 0;) {
    const StageSpec& stage = plan.stages[i];
    const bool is_convolution = stage.kind == StageSpec::Kind::kConvolution;
    const Layer* norm = stage.kind == StageSpec::Kind::kBatchNorm ? stage.layer : stage.batch_norm;
    if (norm != nullptr) {
      stages_[i].gamma = add_if_there(store, norm->name + ".weight");
      stages_[i].beta = add_if_there(store, norm->name + ".bias");
    }
    if (is_convolution) stages_[i].bias = add_if_there(store, stage.layer->name + ".bias");
  }
  channel_range_.end = layout_.size;
}

FlatRange StagedLayout::add_if_there(const ParameterStore& store, const std::string& name) {
  const bool is_there = std::any_of(store.parameters().begin(), store.parameters().end(),
                                    [&](const Parameter& parameter) { return parameter.name == name; });
  return is_there ? add(store, name, false) : FlatRange{};
}

// A convolution's weights [output][tap][input] become [tap][input][output].
FlatRange StagedLayout::add(const ParameterStore& store, const std::string& name, bool is_convolution) {
  const Parameter& parameter = *std::find_if(store.parameters().begin(), store.parameters().end(),
                                             [&](const Parameter& each) { return each.name == name; });
  const FlatRange range{layout_.size, layout_.size + parameter.size};
  layout_.size = padded(range.end);
  const auto size = static_cast<int64_t>(parameter.size);
  const int64_t outputs = parameter.value.size(0);
  if (is_convolution)
    place(parameter, range.begin, {outputs, size / outputs}, {1, outputs}, true);
  else
    place(parameter, range.begin, {size}, {1});
  return range;
}

}  // namespace fer_ddp
