// Training, validation and test: the three splits, and the two rules that say which row of a source goes to which. Pure
// functions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/choices.h"

namespace fer_ddp {

enum class Split : uint8_t { kTrain = 0, kValidation = 1, kTest = 2 };
inline constexpr std::array<Split, 3> kSplits = {Split::kTrain, Split::kValidation, Split::kTest};

// One T for each split.
template <typename T>
class PerSplit {
 public:
  [[nodiscard]] T& operator[](Split split) { return values_[static_cast<size_t>(split)]; }
  [[nodiscard]] const T& operator[](Split split) const { return values_[static_cast<size_t>(split)]; }
  friend bool operator==(const PerSplit&, const PerSplit&) = default;

 private:
  std::array<T, kSplits.size()> values_{};
};

// "train", "validation", "test": the groups of a shard.
[[nodiscard]] std::string split_name(Split split);

// Throws Error (the user's fault) for a word that is no rule's.
[[nodiscard]] SplitRule parse_split_rule(std::string_view name);

// The source rows of each split, ascending.
using SplitRows = PerSplit<std::vector<int32_t>>;

[[nodiscard]] SplitRows seed_split(int64_t rows);

// `usage` holds each row's own split.
[[nodiscard]] SplitRows official_split(const std::vector<Split>& usage);

}  // namespace fer_ddp
