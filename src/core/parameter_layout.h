// Where a model's parameters lie in flat buffers of weights, gradients and what an optimizer keeps of them: what an
// update rule has to know that treats one parameter unlike another. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/flat_range.h"

namespace fer_ddp {

enum class ParameterKind {
  kFilters,  // a convolution's of more than one input channel
  kWeights,  // of any other convolution or of a dense layer
  kVector    // a bias, or BatchNorm's scale or shift
};

struct ParameterPlace {
  std::string name;  // "conv1.weight"
  FlatRange range;
  ParameterKind kind = ParameterKind::kWeights;
  int64_t rows = 1;  // outputs. Filters lie there as a row-major matrix [rows, columns], in any order of its columns
  int64_t columns = 1;
  bool is_turned = false;  // filters lie as [columns, rows]
};

struct ParameterLayout {
  size_t size = 0;                       // of the buffers
  std::vector<ParameterPlace> places{};  // ascending and disjoint; what lies between them is padding, and zero
};

// `shape`: PyTorch's, [out, in, height, width], [out, in] or [out].
[[nodiscard]] inline ParameterPlace parameter_place(std::string name, const std::vector<int64_t>& shape, size_t begin) {
  int64_t columns = 1;
  for (size_t i = 1; i < shape.size(); ++i) columns *= shape[i];
  ParameterKind kind = ParameterKind::kVector;
  if (shape.size() > 1) kind = shape.size() == 4 && shape[1] > 1 ? ParameterKind::kFilters : ParameterKind::kWeights;
  return {.name = std::move(name),
          .range = {begin, begin + static_cast<size_t>(shape[0] * columns)},
          .kind = kind,
          .rows = shape[0],
          .columns = columns};
}

}  // namespace fer_ddp
