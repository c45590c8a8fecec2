#include "data/split.h"

#include <fmt/format.h>

#include <numeric>

#include "core/error.h"

namespace fer_ddp {

std::string split_name(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kValidation:
      return "validation";
    case Split::kTest:
      return "test";
  }
  throw machine_error(fmt::format("split {} does not exist", static_cast<int>(split)));
}

SplitRule parse_split_rule(std::string_view name) {
  if (const std::optional<SplitRule> rule = choice_of<SplitRule>(name)) return *rule;
  throw user_error(fmt::format("split: \"{}\" is not a split rule, expected seed or official", name));
}

namespace {

std::vector<int32_t> row_range(int64_t begin, int64_t end) {
  std::vector<int32_t> rows(static_cast<size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), static_cast<int32_t>(begin));
  return rows;
}

}  // namespace

SplitRows seed_split(int64_t rows) {
  const int64_t train = rows * 7 / 10;  // in whole numbers: 0.7 * 10 is 7.0 by luck alone
  const int64_t test = rows / 10;
  SplitRows split;
  split[Split::kTrain] = row_range(0, train);
  split[Split::kValidation] = row_range(train, rows - test);
  split[Split::kTest] = row_range(rows - test, rows);
  return split;
}

SplitRows official_split(const std::vector<Split>& usage) {
  SplitRows split;
  for (size_t row = 0; row < usage.size(); ++row) split[usage[row]].push_back(static_cast<int32_t>(row));
  return split;
}

}  // namespace fer_ddp
