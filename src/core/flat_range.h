// A half-open range of elements in a flat buffer.
#pragma once

#include <cstddef>
#include <span>

namespace fer_ddp {

struct FlatRange {
  size_t begin = 0;
  size_t end = 0;
  [[nodiscard]] constexpr size_t size() const { return end - begin; }
  template <typename T>
  [[nodiscard]] std::span<T> of(std::span<T> flat) const {
    return flat.subspan(begin, size());
  }
};

}  // namespace fer_ddp
