#include "report/predictions.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/expressions.h"
#include "core/text.h"
#include "report/csv_fields.h"

namespace fer_ddp {

namespace {

constexpr std::string_view kHeader = "row,true,predicted,probability,probability_of_true,copy";
constexpr size_t kFields = 6;

// A line under way to a prediction, with where it is.
struct Line {
  const std::string& file;
  int64_t number;
  std::vector<std::string> fields;

  [[noreturn]] void refuse(const std::string& what) const {
    throw user_error(fmt::format("{}, line {}: {}", file, grouped(number), what),
                     "Was the file changed by hand? fer-ddp writes it at the end of a run.");
  }

  template <class Number>
  [[nodiscard]] Number number_of(size_t field, Number low, Number high) const {
    const std::string& text = fields[field];
    Number value{};
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end != text.data() + text.size() || !(value >= low && value <= high))
      refuse(fmt::format("\"{}\" in field {}, expected a number from {} to {}", text, field + 1, low, high));
    return value;
  }

  // Of weights that are not finite, nothing is known.
  [[nodiscard]] float probability(size_t field) const {
    return fields[field] == "nan" ? std::nanf("") : number_of<float>(field, 0, 1.0001F);
  }
};

TestPrediction prediction_in(const Line& line) {
  if (line.fields.size() != kFields) line.refuse(fmt::format("{} fields, expected {}", line.fields.size(), kFields));
  return {.row = line.number_of<int32_t>(0, 0, std::numeric_limits<int32_t>::max()),
          .said = {.label = static_cast<uint8_t>(line.number_of<int>(1, 0, kExpressionCount - 1)),
                   .called = static_cast<uint8_t>(line.number_of<int>(2, 0, kExpressionCount - 1)),
                   .probability = line.probability(3),
                   .label_probability = line.probability(4)},
          .copy = line.number_of<int>(5, 0, 1) == 1};
}

std::string probability_text(float probability) {
  return std::isnan(probability) ? "nan" : fmt::format("{:.6g}", probability);
}

}  // namespace

std::string predictions_csv(std::span<const TestPrediction> predictions) {
  std::string text = std::string(kHeader) + "\n";
  for (const TestPrediction& prediction : predictions)
    text += fmt::format("{},{},{},{},{},{}\n", prediction.row, prediction.said.label, prediction.said.called,
                        probability_text(prediction.said.probability),
                        probability_text(prediction.said.label_probability), prediction.copy ? 1 : 0);
  return text;
}

std::vector<TestPrediction> parse_predictions(std::string_view text, const std::string& name) {
  std::vector<TestPrediction> predictions;
  for (int64_t number = 1; number == 1 || !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const Line line{name, number, csv_fields(content)};
    if (number == 1) {
      if (content != kHeader) line.refuse(fmt::format("expected {}", kHeader));
      continue;
    }
    const TestPrediction prediction = prediction_in(line);
    if (!predictions.empty() && prediction.row <= predictions.back().row)
      line.refuse(fmt::format("row {} follows row {}", prediction.row, predictions.back().row));
    predictions.push_back(prediction);
  }
  return predictions;
}

std::vector<TestPrediction> read_predictions(const std::filesystem::path& path) {
  return parse_predictions(read_file(path, kMostTextBytes), path.string());
}

bool same_images(std::span<const TestPrediction> first, std::span<const TestPrediction> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const TestPrediction& one, const TestPrediction& other) {
                      return one.row == other.row && one.said.label == other.said.label;
                    });
}

PairedCounts paired_counts(std::span<const TestPrediction> first, std::span<const TestPrediction> second) {
  PairedCounts counts;
  for (size_t i = 0; i < first.size(); ++i) {
    const bool one = first[i].said.is_right();
    const bool other = second[i].said.is_right();
    if (one && !other) ++counts.only_first;
    if (other && !one) ++counts.only_second;
  }
  return counts;
}

}  // namespace fer_ddp
