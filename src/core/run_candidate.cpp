#include "core/run_candidate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "core/json_reader.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

struct Role {
  std::string_view name;
  bool RunCandidate::*is;
};

constexpr std::array<Role, 5> kRoles = {{{"lowest_val_loss", &RunCandidate::lowest_loss},
                                         {"highest_val_accuracy", &RunCandidate::highest_accuracy},
                                         {"early_stopping_best", &RunCandidate::early_stopping_best},
                                         {"last_epoch", &RunCandidate::last},
                                         {"model", &RunCandidate::kept}}};

Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double value_or_nan(const Json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

}  // namespace

Json candidates_to_json(const std::vector<RunCandidate>& candidates) {
  Json list = Json::array();
  for (const RunCandidate& candidate : candidates) {
    Json roles = Json::array();
    for (const Role& role : kRoles)
      if (candidate.*role.is) roles.push_back(role.name);
    list.push_back({{"epoch", candidate.epoch},
                    {"is", roles},
                    {"val_loss", finite_or_null(candidate.val_loss)},
                    {"val_accuracy", finite_or_null(candidate.val_accuracy)},
                    {"weights", candidate.weights ? Json(*candidate.weights) : Json(nullptr)},
                    {"test", score_to_json(candidate.test)},
                    {"without_copies", score_to_json(candidate.without_copies)}});
  }
  return list;
}

Json comparisons_to_json(const std::vector<CandidateComparison>& comparisons) {
  Json list = Json::array();
  for (const CandidateComparison& comparison : comparisons)
    list.push_back({{"epochs", {comparison.first_epoch, comparison.second_epoch}},
                    {"only_first_right", comparison.right.only_first},
                    {"only_second_right", comparison.right.only_second},
                    {"mcnemar_p", mcnemar_p(comparison.right)}});
  return list;
}

std::vector<RunCandidate> candidates_from_json(const Json& document) {
  std::vector<RunCandidate> candidates;
  for (const Json& entry : document) {
    RunCandidate candidate{.epoch = whole_number<int>(entry.at("epoch")),
                           .val_loss = value_or_nan(entry.at("val_loss")),
                           .val_accuracy = value_or_nan(entry.at("val_accuracy")),
                           .weights = std::nullopt,
                           .test = score_from_json(entry.at("test")),
                           .without_copies = score_from_json(entry.at("without_copies"))};
    const Json& roles = entry.at("is");
    for (const Role& role : kRoles)
      candidate.*role.is = std::find(roles.begin(), roles.end(), role.name) != roles.end();
    if (!entry.at("weights").is_null()) candidate.weights = entry.at("weights").get<std::string>();
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

std::vector<CandidateComparison> comparisons_from_json(const Json& document) {
  std::vector<CandidateComparison> comparisons;
  for (const Json& entry : document)
    comparisons.push_back({.first_epoch = whole_number<int>(entry.at("epochs").at(0)),
                           .second_epoch = whole_number<int>(entry.at("epochs").at(1)),
                           .right = {.only_first = whole_number<uint32_t>(entry.at("only_first_right")),
                                     .only_second = whole_number<uint32_t>(entry.at("only_second_right"))}});
  return comparisons;
}

}  // namespace fer_ddp
