#include "model/fused_layout.h"

#include <fmt/format.h>

#include <functional>

#include "core/error.h"

namespace fer_ddp {

namespace {

using namespace fused_layout;

// Where the element that is `i`-th in the store's memory lies within the parameter's range.
using Order = std::function<size_t(size_t i)>;

struct Place {
  const char* name;
  FlatRange range;
  Order order;
};

std::vector<Place> places() {
  const Order as_is = [](size_t i) { return i; };
  // The store's memory is [output][tap].
  const Order taps_first = [](size_t i) { return i % 9 * kFirstBlock.output_channels + i / 9; };
  // The store's is [unit][channel][position].
  const Order positions_first = [](size_t i) {
    const size_t position = i % kHiddenLayer.positions;
    const size_t channel = i / kHiddenLayer.positions % kHiddenLayer.channels;
    const size_t unit = i / (size_t{kHiddenLayer.positions} * kHiddenLayer.channels);
    return (position * kHiddenLayer.units + unit) * kHiddenLayer.channels + channel;
  };
  return {{"conv1.weight", kFirstWeights, taps_first},
          {"conv1.bias", kFirstBias, as_is},
          {"bn1.weight", kFirstScale, as_is},
          {"bn1.bias", kFirstShift, as_is},
          {"conv2.weight", kSecondWeights, as_is},
          {"conv2.bias", kSecondBias, as_is},
          {"bn2.weight", kSecondScale, as_is},
          {"bn2.bias", kSecondShift, as_is},
          {"fc1.weight", kHiddenWeights, positions_first},
          {"fc1.bias", kHiddenBias, as_is},
          {"fc2.weight", kClassWeights, as_is},
          {"fc2.bias", kClassBias, as_is}};
}

}  // namespace

FusedLayout::FusedLayout(const ParameterStore& store) : place_(store.size()) {
  const std::vector<Place> all = places();
  if (store.parameters().size() != all.size()) throw machine_error("the fused step knows the seed CNN alone");
  for (size_t p = 0; p < all.size(); ++p) {
    const Parameter& parameter = store.parameters()[p];
    if (parameter.name != all[p].name || parameter.size != all[p].range.size())
      throw machine_error(fmt::format("the fused step expects {} in the place of {}", all[p].name, parameter.name));
    for (size_t i = 0; i < parameter.size; ++i)
      place_[parameter.offset + i] = static_cast<uint32_t>(all[p].range.begin + all[p].order(i));
  }
}

void FusedLayout::to_fused(std::span<const float> stored, std::span<float> fused) const {
  for (size_t i = 0; i < place_.size(); ++i) fused[place_[i]] = stored[i];
}

void FusedLayout::to_stored(std::span<const float> fused, std::span<float> stored) const {
  for (size_t i = 0; i < place_.size(); ++i) stored[i] = fused[place_[i]];
}

}  // namespace fer_ddp
