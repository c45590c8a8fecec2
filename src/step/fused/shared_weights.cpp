#include "step/fused/shared_weights.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "step/piecewise_update.h"

namespace fer_ddp {

void WeightLayout::place(const Parameter& parameter, size_t begin, const std::vector<int64_t>& extents,
                         const std::vector<int64_t>& strides, bool is_turned) {
  places_.push_back({{begin, begin + parameter.size}, extents, strides, parameter.offset});
  ParameterPlace place = parameter_place(parameter.name, parameter.value.sizes().vec(), begin);
  place.is_turned = is_turned;
  const auto after = std::find_if(layout_.places.begin(), layout_.places.end(),
                                  [&](const ParameterPlace& other) { return other.range.begin > begin; });
  layout_.places.insert(after, std::move(place));
}

void WeightLayout::to_fused(std::span<const float> stored, std::span<float> fused) const {
  for (const Place& place : places_)
    at::from_blob(fused.data() + place.range.begin, place.extents, place.strides, at::kFloat)
        .copy_(at::from_blob(const_cast<float*>(stored.data()) + place.offset, place.extents, at::kFloat));
}

void WeightLayout::to_stored(std::span<const float> fused, std::span<float> stored) const {
  for (const Place& place : places_)
    at::from_blob(stored.data() + place.offset, place.extents, at::kFloat)
        .copy_(at::from_blob(const_cast<float*>(fused.data()) + place.range.begin, place.extents, place.strides,
                             at::kFloat));
}

SharedWeights::SharedWeights(const WeightLayout& layout, Model& model, Optimizer& optimizer, Communicator& communicator,
                             const Config& config, size_t reducible)
    : layout_(layout),
      model_(model),
      model_optimizer_(optimizer),
      reducer_(communicator, layout.size(), reducible,
               std::chrono::duration<double>(config.collective_timeout_seconds)),
      optimizer_(make_optimizer(config, layout.layout())),
      mine_(take_share()) {}

// Which pieces each of the host's ranks works on; the reducer gathers by the same.
std::vector<size_t> SharedWeights::take_share() {
  std::vector<std::vector<size_t>> shares = shared_out(optimizer_->pieces(), reducer_.members());
  std::vector<std::vector<FlatRange>> parts(shares.size());
  for (size_t member = 0; member < shares.size(); ++member) {
    for (const size_t piece : shares[member]) {
      const FlatRange range = optimizer_->pieces()[piece].range;
      std::vector<FlatRange>& ranges = parts[member];
      if (!ranges.empty() && ranges.back().end == range.begin)
        ranges.back().end = range.end;
      else
        ranges.push_back(range);
    }
  }
  reducer_.share_out(std::move(parts));
  return std::move(shares[static_cast<size_t>(reducer_.member())]);
}

bool SharedWeights::load() {
  if (is_loaded_) return false;
  is_loaded_ = true;
  std::vector<float> weights(layout_.size());
  layout_.to_fused(model_.store().weights(), weights);
  const FlatRange mine = reducer_.slice();
  reducer_.barrier();  // nobody reads the old ones any more
  std::copy_n(weights.data() + mine.begin, mine.size(), reducer_.shared().data() + mine.begin);
  for (size_t slot = 0; slot < optimizer_->slots().size(); ++slot)
    layout_.to_fused(model_optimizer_.slots()[slot].values, optimizer_->slots()[slot].values);
  optimizer_->set_step_count(model_optimizer_.step_count());
  reducer_.barrier();
  return true;
}

void SharedWeights::store() {
  if (!is_loaded_) return;
  layout_.to_stored(reducer_.shared(), model_.store().weights());
  for (size_t slot = 0; slot < optimizer_->slots().size(); ++slot) {
    reducer_.gather_slices(optimizer_->slots()[slot].values);
    layout_.to_stored(optimizer_->slots()[slot].values, model_optimizer_.slots()[slot].values);
  }
  model_optimizer_.set_step_count(optimizer_->step_count());
}

void SharedWeights::update(double learning_rate, PassClock& clock, UpdatePasses passes) {
  optimizer_->begin_step(learning_rate);
  reducer_.wait_for_sums();
  clock.lap(passes.sum_over_ranks);
  const auto add_up = [&](FlatRange part) { reducer_.add_up(part); };
  if (optimizer_->clips()) {
    std::vector<double> squares = squares_of_pieces(*optimizer_, mine_, reducer_.own(), add_up);
    clock.lap(passes.update_weights);
    reducer_.gather(squares);
    clock.lap(passes.sum_over_ranks);
    clip_by(*optimizer_, squares);
    update_pieces(*optimizer_, mine_, reducer_.shared(), reducer_.own(), [](FlatRange) {});
  } else {
    update_pieces(*optimizer_, mine_, reducer_.shared(), reducer_.own(), add_up);
  }
  clock.lap(passes.update_weights);
  reducer_.barrier();
  clock.lap(passes.sum_over_ranks);
  model_.average_buffers(optimizer_->average_share());
}

}  // namespace fer_ddp
