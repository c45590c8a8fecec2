// predictions.csv: what a run's final weights say of each test image, one line each, in the order of the data's source.
// `row` is the row of that source, from 0, as the shards number it (pandas' df.iloc[row]); `true` and `predicted` are
// fer2013's numbers of expressions; `copy` is 1 for an exact copy of a training image.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/prediction.h"
#include "core/statistics.h"

namespace fer_ddp {

struct TestPrediction {
  int32_t row = 0;
  ImagePrediction said{};
  bool copy = false;
  friend bool operator==(const TestPrediction&, const TestPrediction&) = default;
};

[[nodiscard]] std::string predictions_csv(std::span<const TestPrediction> predictions);

// Throws Error (the user's fault) naming `name`, line and field for anything that predictions_csv() does not write.
// Rows must rise.
[[nodiscard]] std::vector<TestPrediction> parse_predictions(std::string_view text, const std::string& name);
[[nodiscard]] std::vector<TestPrediction> read_predictions(const std::filesystem::path& path);

// Are they of the same images?
[[nodiscard]] bool same_images(std::span<const TestPrediction> first, std::span<const TestPrediction> second);

// Of the same images.
[[nodiscard]] PairedCounts paired_counts(std::span<const TestPrediction> first, std::span<const TestPrediction> second);

}  // namespace fer_ddp
