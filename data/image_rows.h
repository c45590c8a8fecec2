// A run of rows as they travel from an importer to a shard, and from a shard to memory: pictures, labels and the rows'
// places in the source, side by side. Plain values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/expressions.h"

namespace fer_ddp {

// Where rows are read to. All three hold the same number of rows.
struct ImageRowsView {
  std::span<uint8_t> images;  // [n, 48, 48]
  std::span<uint8_t> labels;
  std::span<int32_t> source_rows;

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

struct ImageRows {
  explicit ImageRows(int64_t rows)
      : images(static_cast<size_t>(rows * kImagePixels)),
        labels(static_cast<size_t>(rows)),
        source_rows(labels.size()) {}

  // The first `rows` of them.
  [[nodiscard]] ImageRowsView first(int64_t rows) {
    const auto count = static_cast<size_t>(rows);
    return {std::span(images).first(count * kImagePixels), std::span(labels).first(count),
            std::span(source_rows).first(count)};
  }

  std::vector<uint8_t> images;
  std::vector<uint8_t> labels;
  std::vector<int32_t> source_rows;
};

}  // namespace fer_ddp
