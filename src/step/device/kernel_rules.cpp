#include "step/device/kernel_rules.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "optim/newton_schulz.h"

namespace fer_ddp {

namespace {

at::Tensor floats(size_t size, at::Device device) {
  return at::zeros({static_cast<int64_t>(size)}, at::TensorOptions(at::kFloat).device(device));
}

// The groups of weights that a parameter lies in; padding goes with it.
FlatRange groups_of(const ParameterPlace& place) {
  return {place.range.begin / kWeightsOfAGroup, (place.range.end + kWeightsOfAGroup - 1) / kWeightsOfAGroup};
}

// Of each group, 1 where weights decay; undefined: everywhere.
at::Tensor decaying_groups(const ParameterLayout& layout, bool vectors_decay, at::Device device) {
  if (vectors_decay) return {};
  const at::Tensor decaying = at::zeros({static_cast<int64_t>(layout.size / kWeightsOfAGroup)}, at::kByte);
  for (const ParameterPlace& place : layout.places) {
    const FlatRange groups = groups_of(place);
    std::fill(decaying.data_ptr<uint8_t>() + groups.begin, decaying.data_ptr<uint8_t>() + groups.end,
              place.kind == ParameterKind::kVector ? uint8_t{0} : uint8_t{1});
  }
  return decaying.to(device);
}

const uint8_t* bytes_of(const at::Tensor& decaying) {
  return decaying.defined() ? decaying.const_data_ptr<uint8_t>() : nullptr;
}

class KernelRule : public DeviceOptimizer {
 public:
  void update(at::Tensor& weights, const at::Tensor& gradient) final {
    WeightUpdate update{.size = weights.numel(),
                        .weights = weights.data_ptr<float>(),
                        .gradient = gradient.const_data_ptr<float>(),
                        .numbers = numbers_.number_at(StepNumbers::kLearningRate),  // and the two behind it
                        .average = average_share().defined() ? slots_.back().data_ptr<float>() : nullptr,
                        .values = values_};
    if (clip_norm()) {
      update.gradient_factor = clip_factor_.const_data_ptr<float>();
      kernels_.gradient_clip({.size = update.size,
                              .gradient = update.gradient,
                              .clip = static_cast<float>(*clip_norm()),
                              .parts = clip_parts_.data_ptr<float>(),
                              .factor = clip_factor_.data_ptr<float>()});
    }
    apply(update);
  }
  [[nodiscard]] bool renews_values() const final { return true; }

 protected:
  KernelRule(const ParameterLayout& layout, int slots, at::Device device, StepNumbers& numbers,
             const DeviceWeights& weights)
      : DeviceOptimizer(numbers),
        kernels_(*weights.kernels),
        values_(weights.values),
        clip_parts_(floats(1 + GradientClip::kMostParts, device)),
        clip_factor_(floats(1, device)) {
    for (int i = 0; i < slots; ++i) slots_.push_back(floats(layout.size, device));
  }

  DeviceKernels& kernels_;

 private:
  virtual void apply(const WeightUpdate& update) = 0;

  void* values_;
  at::Tensor clip_parts_, clip_factor_;
};

class KernelAdam final : public KernelRule {
 public:
  KernelAdam(const ParameterLayout& layout, double weight_decay, bool vectors_decay, at::Device device,
             StepNumbers& numbers, const DeviceWeights& weights)
      : KernelRule(layout, 2, device, numbers, weights),
        weight_decay_(weight_decay),
        decaying_(decaying_groups(layout, vectors_decay, device)) {}

 private:
  void apply(const WeightUpdate& update) override {
    kernels_.adam({.update = update,
                   .m = slots_[0].data_ptr<float>(),
                   .v = slots_[1].data_ptr<float>(),
                   .new_share1 = kAdamNewShare1,
                   .new_share2 = kAdamNewShare2,
                   .epsilon = kAdamEpsilon,
                   .decays = weight_decay_ > 0,
                   .decaying = bytes_of(decaying_)});
  }

  double weight_decay_;
  at::Tensor decaying_;
};

class KernelSgd final : public KernelRule {
 public:
  KernelSgd(const ParameterLayout& layout, const Config& config, at::Device device, StepNumbers& numbers,
            const DeviceWeights& weights)
      : KernelRule(layout, config.momentum > 0 ? 1 : 0, device, numbers, weights),
        momentum_(config.momentum),
        nesterov_(config.nesterov),
        weight_decay_(weight_decay_of(config)),
        decaying_(decaying_groups(layout, config.decay_biases || weight_decay_ == 0, device)) {}

 private:
  void apply(const WeightUpdate& update) override {
    kernels_.sgd({.update = update,
                  .velocity = momentum_ > 0 ? slots_[0].data_ptr<float>() : nullptr,
                  .momentum = static_cast<float>(momentum_),
                  .nesterov = nesterov_,
                  .decay = static_cast<float>(weight_decay_),
                  .decaying = bytes_of(decaying_)});
  }

  double momentum_;
  bool nesterov_;
  double weight_decay_;
  at::Tensor decaying_;
};

// Filters of one shape, whose directions lie side by side.
struct FilterBatch {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t begin = 0;  // among the directions
  std::vector<ParameterPlace> filters{};

  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(filters.size()); }
  [[nodiscard]] int64_t end() const { return begin + count() * rows * columns; }
};

std::vector<FilterBatch> filter_batches(const ParameterLayout& layout) {
  std::map<std::pair<int64_t, int64_t>, FilterBatch> by_shape;
  for (const ParameterPlace& place : layout.places) {
    if (place.kind != ParameterKind::kFilters) continue;
    if (place.range.begin % kWeightsOfAGroup != 0 || place.range.size() % kWeightsOfAGroup != 0)
      throw machine_error(place.name + " is no whole number of groups of 16 weights, which a device's kernels take");
    by_shape[{place.rows, place.columns}].filters.push_back(place);
  }
  std::vector<FilterBatch> batches;
  batches.reserve(by_shape.size());
  for (auto& [shape, batch] : by_shape)
    batches.push_back(
        {shape.first, shape.second, batches.empty() ? 0 : batches.back().end(), std::move(batch.filters)});
  return batches;
}

// MuonDirections::places.
at::Tensor direction_places(const ParameterLayout& layout, const std::vector<FilterBatch>& batches,
                            bool vectors_decay) {
  at::Tensor all = at::zeros({static_cast<int64_t>(layout.size / kWeightsOfAGroup)}, at::kInt);
  auto* const places = all.data_ptr<int32_t>();
  for (const ParameterPlace& place : layout.places) {
    const FlatRange groups = groups_of(place);
    const bool decays = vectors_decay || place.kind != ParameterKind::kVector;
    std::fill(places + groups.begin, places + groups.end,
              decays ? MuonDirections::kDecaying : MuonDirections::kNotDecaying);
  }
  int32_t next = 0;
  for (const FilterBatch& batch : batches)
    for (const ParameterPlace& place : batch.filters) {
      const FlatRange groups = groups_of(place);
      std::iota(places + groups.begin, places + groups.end, next);
      next += static_cast<int32_t>(groups.size());
    }
  return all;
}

class KernelMuon final : public KernelRule {
 public:
  KernelMuon(const ParameterLayout& layout, const Config& config, at::Device device, StepNumbers& numbers,
             const DeviceWeights& weights)
      : KernelRule(layout, 1, device, numbers, weights),
        config_(config),
        batches_(filter_batches(layout)),
        places_(direction_places(layout, batches_, config.decay_biases).to(device)),
        directions_(floats(batches_.empty() ? 0 : static_cast<size_t>(batches_.back().end()), device)) {}

 private:
  void apply(const WeightUpdate& update) override {
    kernels_.muon_directions({.update = update,
                              .m = slots_[0].data_ptr<float>(),
                              .places = places_.const_data_ptr<int32_t>(),
                              .directions = directions_.data_ptr<float>(),
                              .filter_size = directions_.numel(),
                              .momentum = static_cast<float>(config_.momentum),
                              .other_momentum = static_cast<float>(config_.other_momentum),
                              .other_decay = static_cast<float>(config_.other_weight_decay),
                              .other_rate = static_cast<float>(config_.other_learning_rate / config_.learning_rate)});
    std::vector<at::Tensor> orthogonal;  // kept until the kernel that reads it is started
    std::vector<MuonMatrix> matrices;
    for (const FilterBatch& batch : batches_) {
      const at::Tensor directions = directions_.narrow(0, batch.begin, batch.end() - batch.begin)
                                        .view({batch.count(), batch.rows, batch.columns});
      orthogonal.push_back(newton_schulz(directions).contiguous());  // of tall matrices it comes turned
      const float* direction = orthogonal.back().const_data_ptr<float>();
      for (const ParameterPlace& place : batch.filters) {
        matrices.push_back({.direction = direction,
                            .begin = static_cast<int64_t>(place.range.begin),
                            .size = static_cast<int64_t>(place.range.size()),
                            .scale = static_cast<float>(muon_scale(place))});
        direction += place.range.size();
      }
    }
    if (!matrices.empty()) kernels_.muon_filters({.update = update, .matrices = matrices});
  }

  Config config_;
  std::vector<FilterBatch> batches_;
  at::Tensor places_;      // int32 [groups], as MuonDirections'
  at::Tensor directions_;  // of filters, batch behind batch
};

}  // namespace

std::unique_ptr<DeviceOptimizer> make_kernel_rule(const Config& config, const ParameterLayout& layout,
                                                  at::Device device, StepNumbers& numbers,
                                                  const DeviceWeights& weights) {
  switch (config.optimizer) {
    case OptimizerRule::kAdam:
      return std::make_unique<KernelAdam>(layout, 0.0, true, device, numbers, weights);
    case OptimizerRule::kAdamW:
      return std::make_unique<KernelAdam>(layout, weight_decay_of(config), config.decay_biases, device, numbers,
                                          weights);
    case OptimizerRule::kSgd:
      return std::make_unique<KernelSgd>(layout, config, device, numbers, weights);
    case OptimizerRule::kMuon:
      return std::make_unique<KernelMuon>(layout, config, device, numbers, weights);
  }
  throw machine_error("an optimizer has no rule for a device's kernels");
}

}  // namespace fer_ddp
