#include "step/fused/fused_layout.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace fer_ddp {

using namespace fused_layout;

std::vector<FusedLayout::Place> FusedLayout::places() {
  const auto as_is = [](const char* name, FlatRange range) {
    return Place{name, range, {static_cast<int64_t>(range.size())}, {1}};
  };
  const int64_t filters = kFirstBlock.output_channels;
  const int64_t units = kHiddenLayer.units;
  const int64_t channels = kHiddenLayer.channels;
  return {{"conv1.weight", kFirstWeights, {filters, 9}, {1, filters}},
          as_is("conv1.bias", kFirstBias),
          as_is("bn1.weight", kFirstScale),
          as_is("bn1.bias", kFirstShift),
          as_is("conv2.weight", kSecondWeights),
          as_is("conv2.bias", kSecondBias),
          as_is("bn2.weight", kSecondScale),
          as_is("bn2.bias", kSecondShift),
          {"fc1.weight", kHiddenWeights, {units, channels, kHiddenLayer.positions}, {channels, 1, units * channels}},
          as_is("fc1.bias", kHiddenBias),
          as_is("fc2.weight", kClassWeights),
          as_is("fc2.bias", kClassBias)};
}

FusedLayout::FusedLayout(const ParameterStore& store) : places_(places()) {
  if (store.parameters().size() != places_.size()) throw machine_error("the fused step knows the seed CNN alone");
  for (size_t p = 0; p < places_.size(); ++p) {
    const Parameter& parameter = store.parameters()[p];
    if (parameter.name != places_[p].name || parameter.size != places_[p].range.size())
      throw machine_error(fmt::format("the fused step expects {} in the place of {}", places_[p].name, parameter.name));
    places_[p].offset = parameter.offset;
    places_[p].shape = parameter.value.sizes().vec();
  }
}

ParameterLayout FusedLayout::layout() const {
  ParameterLayout layout{.size = kSize};
  for (const Place& place : places_)
    layout.places.push_back(parameter_place(place.name, place.shape, place.range.begin));
  std::sort(layout.places.begin(), layout.places.end(),
            [](const ParameterPlace& a, const ParameterPlace& b) { return a.range.begin < b.range.begin; });
  return layout;
}

void FusedLayout::to_fused(std::span<const float> stored, std::span<float> fused) const {
  for (const Place& place : places_)
    at::from_blob(fused.data() + place.range.begin, place.extents, place.strides, at::kFloat)
        .copy_(at::from_blob(const_cast<float*>(stored.data()) + place.offset, place.extents, at::kFloat));
}

void FusedLayout::to_stored(std::span<const float> fused, std::span<float> stored) const {
  for (const Place& place : places_)
    at::from_blob(stored.data() + place.offset, place.extents, at::kFloat)
        .copy_(at::from_blob(const_cast<float*>(fused.data()) + place.range.begin, place.extents, place.strides,
                             at::kFloat));
}

}  // namespace fer_ddp
