// Where a table's parameters lie for the fused engine: one flat buffer in the kernels' own layouts, the last layer
// first, as backward finishes them; at its end what normalisations and biases before a ReLU take, whose gradients are
// sums that all ranks have already. Parameters begin at multiples of 16 floats; what lies between stays zero.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/flat_range.h"
#include "core/parameter_layout.h"
#include "model/parameter_store.h"
#include "network/stage_plan.h"
#include "step/fused/shared_weights.h"
#include "step/fused/stages/stage.h"

namespace fer_ddp {

// Where the parameter behind one that ends there begins, counted in floats.
constexpr size_t padded(size_t end) { return (end + 15) / 16 * 16; }

class StagedLayout : public WeightLayout {
 public:
  StagedLayout(const StagePlan& plan, const ParameterStore& store);

  [[nodiscard]] const StageRanges& of_stage(size_t index) const { return stages_[index]; }
  [[nodiscard]] const std::vector<StageRanges>& of_head() const { return head_; }
  [[nodiscard]] FlatRange head_range() const { return head_range_; }
  // What is not summed over the ranks leaf by leaf.
  [[nodiscard]] FlatRange channel_range() const { return channel_range_; }

 private:
  FlatRange add(const ParameterStore& store, const std::string& name, bool is_convolution);
  FlatRange add_if_there(const ParameterStore& store, const std::string& name);

  std::vector<StageRanges> stages_, head_;
  FlatRange head_range_, channel_range_;
};

}  // namespace fer_ddp
