#include "data/copies.h"

#include <algorithm>
#include <utility>

#include "core/checksum.h"
#include "core/expressions.h"

namespace fer_ddp {

namespace {

std::span<const uint8_t> image(const SplitView& split, size_t row) {
  return split.images.subspan(row * kImagePixels, kImagePixels);
}

struct HashedRow {
  uint64_t hash;
  size_t row;
};

// Sorted by hash.
std::vector<HashedRow> hashed_rows(const SplitView& split) {
  std::vector<HashedRow> rows(split.labels.size());
  for (size_t row = 0; row < rows.size(); ++row) rows[row] = {short_hash(std::as_bytes(image(split, row))), row};
  std::sort(rows.begin(), rows.end(), [](const HashedRow& a, const HashedRow& b) { return a.hash < b.hash; });
  return rows;
}

}  // namespace

PerSplit<std::vector<int32_t>> copies_of_training_rows(const PerSplit<SplitView>& splits) {
  const SplitView& training = splits[Split::kTrain];
  const std::vector<HashedRow> known = hashed_rows(training);
  const auto is_known = [&](const std::span<const uint8_t> pixels) {
    const uint64_t hash = short_hash(std::as_bytes(pixels));
    auto candidate = std::lower_bound(known.begin(), known.end(), hash,
                                      [](const HashedRow& row, uint64_t wanted) { return row.hash < wanted; });
    for (; candidate != known.end() && candidate->hash == hash; ++candidate)
      if (std::ranges::equal(image(training, candidate->row), pixels)) return true;
    return false;
  };
  PerSplit<std::vector<int32_t>> copies;
  for (const Split split : {Split::kValidation, Split::kTest}) {
    for (size_t row = 0; row < splits[split].labels.size(); ++row)
      if (is_known(image(splits[split], row))) copies[split].push_back(static_cast<int32_t>(row));
  }
  return copies;
}

}  // namespace fer_ddp
