#include "step/fused/fused_layout.h"

#include <fmt/format.h>

#include "core/error.h"

namespace fer_ddp {

using namespace fused_layout;

namespace {

struct KernelPlace {
  const char* name;
  FlatRange range;
  std::vector<int64_t> extents, strides;
};

std::vector<KernelPlace> places() {
  const auto as_is = [](const char* name, FlatRange range) {
    return KernelPlace{name, range, {static_cast<int64_t>(range.size())}, {1}};
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

}  // namespace

FusedLayout::FusedLayout(const ParameterStore& store) {
  const std::vector<KernelPlace> expected = places();
  if (store.parameters().size() != expected.size()) throw machine_error("the fused step knows the seed CNN alone");
  layout_.size = kSize;
  for (size_t p = 0; p < expected.size(); ++p) {
    const Parameter& parameter = store.parameters()[p];
    if (parameter.name != expected[p].name || parameter.size != expected[p].range.size())
      throw machine_error(
          fmt::format("the fused step expects {} in the place of {}", expected[p].name, parameter.name));
    place(parameter, expected[p].range.begin, expected[p].extents, expected[p].strides);
  }
}

}  // namespace fer_ddp
