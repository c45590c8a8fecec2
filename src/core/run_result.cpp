#include "core/run_result.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/json_reader.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kWeightsFile = "model.safetensors";

Json epoch_or_null(const std::optional<int>& epoch) { return epoch ? Json(*epoch) : Json(nullptr); }

std::optional<int> optional_epoch(const Json& document, const char* key) {
  const Json& value = document.at(key);
  return value.is_null() ? std::nullopt : std::optional(whole_number<int>(value));
}

Json ranks_to_json(const std::vector<RankPlace>& ranks) {
  Json places = Json::array();
  for (const RankPlace& place : ranks) {
    places.push_back({{"rank", place.rank}, {"host", place.host}, {"device", place.device}});
  }
  return places;
}

std::vector<RankPlace> ranks_from_json(const Json& document) {
  std::vector<RankPlace> ranks;
  for (const Json& place : document) {
    ranks.push_back({.rank = whole_number<int>(place.at("rank")),
                     .host = place.at("host").get<std::string>(),
                     .device = place.at("device").get<std::string>()});
  }
  return ranks;
}

}  // namespace

Json run_result_to_json(const RunResult& result) {
  const Json test = result.test ? evaluation_to_json(*result.test) : Json(nullptr);
  Json document = {
      {"stop_reason", result.stop_reason},
      {"best_epoch_by_loss", epoch_or_null(result.best_epoch_by_loss)},
      {"best_epoch_by_accuracy", epoch_or_null(result.best_epoch_by_accuracy)},
      {"final_epoch", epoch_or_null(result.final_epoch)},
      {"restored_epoch", epoch_or_null(result.restored_epoch)},
      {"model", result.has_weights ? Json(kWeightsFile) : Json(nullptr)},
      {"test_loss", result.test ? test.at("loss") : Json(nullptr)},
      {"test_accuracy", result.test ? test.at("accuracy") : Json(nullptr)},
      {"test_accuracy_without_copies",
       result.test && result.test->without_copies ? test.at("without_copies").at("accuracy") : Json(nullptr)},
      {"candidates", candidates_to_json(result.candidates)},
      {"comparisons", comparisons_to_json(result.comparisons)},
      {"seconds", result.seconds},
      {"world_size", result.world_size},
      {"epochs_run", result.epochs_run},
      {"parameters", result.parameters},
      {"test", test},
      {"ranks", ranks_to_json(result.ranks)},
      {"started", result.started},
      {"finished", result.finished}};
  if (result.device_choices) document["device_choices"] = *result.device_choices;
  return document;
}

namespace {

// Of images that are right no more than there are; the tests of the report count them one by one.
void require_counts(const RunResult& result, const std::string& where) {
  int64_t images = result.test ? result.test->images : 0;
  for (const RunCandidate& candidate : result.candidates)
    if (candidate.test) images = std::max(images, candidate.test->images);
  const bool scores_fit =
      std::all_of(result.candidates.begin(), result.candidates.end(), [](const RunCandidate& candidate) {
        return !candidate.test || candidate.test->correct <= candidate.test->images;
      });
  const bool pairs_fit = std::all_of(
      result.comparisons.begin(), result.comparisons.end(),
      [images](const CandidateComparison& pair) { return pair.right.only_first + pair.right.only_second <= images; });
  if (!scores_fit || !pairs_fit)
    throw user_error(fmt::format("{}: not a run's result: more images are right than there are", where));
}

}  // namespace

RunResult run_result_from_json(const Json& document, const std::string& where) {
  try {
    RunResult result{.stop_reason = document.at("stop_reason").get<std::string>(),
                     .epochs_run = whole_number<int>(document.at("epochs_run")),
                     .best_epoch_by_loss = optional_epoch(document, "best_epoch_by_loss"),
                     .best_epoch_by_accuracy = optional_epoch(document, "best_epoch_by_accuracy"),
                     .final_epoch = optional_epoch(document, "final_epoch"),
                     .restored_epoch = optional_epoch(document, "restored_epoch"),
                     .has_weights = !document.contains("model") || !document.at("model").is_null(),
                     .test = std::nullopt,
                     .candidates = {},
                     .comparisons = {},
                     .seconds = document.at("seconds").get<double>(),
                     .world_size = whole_number<int>(document.at("world_size")),
                     .parameters = whole_number<int64_t>(document.at("parameters")),
                     .ranks = ranks_from_json(document.at("ranks")),
                     .started = document.at("started").get<std::string>(),
                     .finished = document.at("finished").get<std::string>()};
    if (document.contains("device_choices")) result.device_choices = document.at("device_choices").get<std::string>();
    if (document.contains("candidates")) result.candidates = candidates_from_json(document.at("candidates"));
    if (document.contains("comparisons")) result.comparisons = comparisons_from_json(document.at("comparisons"));
    if (!document.at("test").is_null()) result.test = evaluation_from_json(document.at("test"), where);
    require_counts(result, where);
    return result;
  } catch (const Json::exception& problem) {
    throw user_error(fmt::format("{}: not a run's result: {}", where, problem.what()));
  }
}

}  // namespace fer_ddp
