#include "core/evaluation.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/json_reader.h"
#include "core/statistics.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

double share(int64_t part, int64_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(part) / static_cast<double>(whole);
}

int64_t hits(const Evaluation& evaluation, int label) {
  const auto index = static_cast<size_t>(label);
  return evaluation.confusion[index][index];
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double number_or_nan(const Json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

// Rows are numbered by 32 bits; sums of as many then fit into 64.
int64_t image_count(const Json& value) { return whole_number<uint32_t>(value); }

Json interval_to_json(int64_t correct, int64_t images) {
  const ShareInterval interval = wilson_interval(correct, images);
  return {interval.low, interval.high};
}

}  // namespace

Json score_to_json(const std::optional<Score>& score) {
  if (!score) return nullptr;
  return {{"loss", number_or_null(score->loss)},
          {"accuracy", number_or_null(score->accuracy())},
          {"accuracy_interval", interval_to_json(score->correct, score->images)},
          {"images", score->images},
          {"correct", score->correct}};
}

std::optional<Score> score_from_json(const Json& document) {
  if (document.is_null()) return std::nullopt;
  return Score{.loss = number_or_nan(document.at("loss")),
               .images = image_count(document.at("images")),
               .correct = image_count(document.at("correct"))};
}

ClassCounts Evaluation::true_counts() const {
  ClassCounts counts{};
  for (size_t label = 0; label < counts.size(); ++label) counts[label] = total(confusion[label]);
  return counts;
}

ClassCounts Evaluation::predicted_counts() const {
  ClassCounts counts{};
  for (const ClassCounts& row : confusion) {
    for (size_t label = 0; label < counts.size(); ++label) counts[label] += row[label];
  }
  return counts;
}

double Score::accuracy() const { return share(correct, images); }

double Evaluation::accuracy() const { return share(correct(), images); }

int64_t Evaluation::correct() const {
  int64_t right = 0;
  for (int label = 0; label < kExpressionCount; ++label) right += hits(*this, label);
  return right;
}

double Evaluation::precision(int label) const {
  return share(hits(*this, label), predicted_counts()[static_cast<size_t>(label)]);
}

double Evaluation::recall(int label) const {
  return share(hits(*this, label), true_counts()[static_cast<size_t>(label)]);
}

double Evaluation::f1(int label) const {
  const auto index = static_cast<size_t>(label);
  return share(2 * hits(*this, label), true_counts()[index] + predicted_counts()[index]);
}

Json evaluation_to_json(const Evaluation& evaluation) {
  Json classes = Json::array();
  for (int label = 0; label < kExpressionCount; ++label) {
    classes.push_back({{"name", kExpressionNames[static_cast<size_t>(label)]},
                       {"precision", number_or_null(evaluation.precision(label))},
                       {"recall", number_or_null(evaluation.recall(label))},
                       {"f1", number_or_null(evaluation.f1(label))},
                       {"images", evaluation.true_counts()[static_cast<size_t>(label)]}});
  }
  return {{"loss", number_or_null(evaluation.loss)},
          {"accuracy", number_or_null(evaluation.accuracy())},
          {"accuracy_interval", interval_to_json(evaluation.correct(), evaluation.images)},
          {"images", evaluation.images},
          {"without_copies", score_to_json(evaluation.without_copies)},
          {"confusion", evaluation.confusion},
          {"per_class", std::move(classes)}};
}

Evaluation evaluation_from_json(const Json& document, const std::string& where) {
  try {
    Evaluation evaluation{.loss = number_or_nan(document.at("loss")), .images = image_count(document.at("images"))};
    if (document.contains("without_copies")) evaluation.without_copies = score_from_json(document.at("without_copies"));
    if (evaluation.copies() < 0)
      throw user_error(fmt::format("{}: not an evaluation: more images without copies than images", where));
    for (size_t label = 0; label < evaluation.confusion.size(); ++label)
      for (size_t called = 0; called < evaluation.confusion.size(); ++called)
        evaluation.confusion[label][called] = image_count(document.at("confusion").at(label).at(called));
    return evaluation;
  } catch (const Json::exception& problem) {
    throw user_error(fmt::format("{}: not an evaluation: {}", where, problem.what()));
  }
}

}  // namespace fer_ddp
