#include "sweep/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/exact_number.h"
#include "core/json_text.h"
#include "core/text.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

std::optional<double> test_accuracy(const RunOutcome& outcome) {
  if (!outcome.result || !outcome.result->test) return std::nullopt;
  return outcome.result->test->accuracy();
}

SettingResult result_of(const Sweep& sweep, size_t setting, const std::vector<RunOutcome>& outcomes) {
  SettingResult result{.setting = setting};
  std::vector<double> losses;
  std::vector<double> accuracies;
  std::vector<double> tests;
  const auto add = [](std::vector<double>& values, std::optional<double> value) {
    if (value && std::isfinite(*value)) values.push_back(*value);
  };
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    if (sweep.runs[i].setting != setting) continue;
    const RunOutcome& outcome = outcomes[i];
    ++result.seeds;
    if (outcome.failure) ++result.failed;
    if (!outcome.failure && outcome.diverged()) ++result.diverged;
    if (outcome.failure || outcome.diverged()) continue;
    add(losses, outcome.lowest_loss);
    add(accuracies, outcome.highest_accuracy);
    add(tests, test_accuracy(outcome));
  }
  result.lowest_loss = estimate(losses);
  result.highest_accuracy = estimate(accuracies);
  result.test_accuracy = estimate(tests);
  return result;
}

// Lower is better.
double rank_value(const SettingResult& result, Monitor by) {
  const std::optional<Estimate>& chosen = by == Monitor::kValidationLoss ? result.lowest_loss : result.highest_accuracy;
  if (!chosen) return std::numeric_limits<double>::infinity();
  return by == Monitor::kValidationLoss ? chosen->mean : -chosen->mean;
}

std::string estimate_text(const std::optional<Estimate>& value) {
  if (!value) return "-";
  return value->half_width ? fmt::format("{} +- {}", fixed_text(value->mean), fixed_text(*value->half_width))
                           : fixed_text(value->mean);
}

ordered_json estimate_to_json(const std::optional<Estimate>& value) {
  if (!value) return nullptr;
  ordered_json json = {
      {"seeds", value->count}, {"mean", exact_number(value->mean)}, {"deviation", nullptr}, {"interval_95", nullptr}};
  if (value->deviation) json["deviation"] = exact_number(*value->deviation);
  if (value->half_width)
    json["interval_95"] = {exact_number(value->mean - *value->half_width),
                           exact_number(value->mean + *value->half_width)};
  return json;
}

ordered_json number_or_null(std::optional<double> value) {
  return value ? exact_number(*value) : ordered_json(nullptr);
}

// As RFC 4180 wants it.
std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_number(std::optional<double> value) { return value ? metric_text(*value) : ""; }

std::string troubles(const SettingResult& result) {
  std::string words;
  if (result.diverged > 0) words += fmt::format("  {} diverged", result.diverged);
  if (result.failed > 0) words += fmt::format("  {} failed", result.failed);
  return words;
}

}  // namespace

SweepComparison compare(const Sweep& sweep, const std::vector<std::vector<size_t>>& rungs,
                        const std::vector<RunOutcome>& outcomes) {
  SweepComparison comparison{.runs = static_cast<int>(sweep.runs.size())};
  for (size_t setting = 0; setting < sweep.settings.size(); ++setting) {
    comparison.settings.push_back(result_of(sweep, setting, outcomes));
    SettingResult& result = comparison.settings.back();
    for (size_t rung = 0; rung < rungs.size(); ++rung)
      if (std::find(rungs[rung].begin(), rungs[rung].end(), setting) != rungs[rung].end()) result.rung = rung;
    comparison.diverged += result.diverged;
    comparison.failed += result.failed;
  }
  const auto order = [&](const SettingResult& result) {
    return std::tuple(result.diverged + result.failed > 0, -static_cast<int64_t>(result.rung),
                      rank_value(result, sweep.by));
  };
  std::stable_sort(comparison.settings.begin(), comparison.settings.end(),
                   [&](const SettingResult& a, const SettingResult& b) { return order(a) < order(b); });
  return comparison;
}

std::string comparison_table(const SweepComparison& comparison, const Sweep& sweep) {
  size_t width = 7;
  for (const ordered_json& setting : sweep.settings) width = std::max(width, setting_words(setting).size());
  const bool seeded = sweep.runs.size() > sweep.settings.size();
  std::string table = fmt::format("{:<{}}  {:>18}  {:>18}  {:>18}{}\n", "setting", width, "val_loss", "val_accuracy",
                                  "test_accuracy", sweep.halving ? "  epochs" : "");
  for (const SettingResult& result : comparison.settings) {
    const std::string epochs = sweep.halving ? fmt::format("  {:>6}", sweep.halving->epochs[result.rung]) : "";
    table += fmt::format("{:<{}}  {:>18}  {:>18}  {:>18}{}{}\n", setting_words(sweep.settings[result.setting]), width,
                         estimate_text(result.lowest_loss), estimate_text(result.highest_accuracy),
                         estimate_text(result.test_accuracy), epochs, troubles(result));
  }
  if (seeded) table += "mean over the seeds, +- half of its 95 % interval (Student's t)\n";
  return table;
}

std::string outcome_word(const RunOutcome& outcome) {
  if (outcome.failure) return "failed";
  return outcome.diverged() ? "diverged" : "ended";
}

ordered_json comparison_to_json(const SweepComparison& comparison, const Sweep& sweep,
                                const std::vector<RunOutcome>& outcomes) {
  ordered_json settings = ordered_json::array();
  for (const SettingResult& result : comparison.settings)
    settings.push_back({{"setting", result.setting},
                        {"keys", sweep.settings[result.setting]},
                        {"rung", result.rung},
                        {"seeds", result.seeds},
                        {"diverged", result.diverged},
                        {"failed", result.failed},
                        {"val_loss", estimate_to_json(result.lowest_loss)},
                        {"val_accuracy", estimate_to_json(result.highest_accuracy)},
                        {"test_accuracy", estimate_to_json(result.test_accuracy)}});
  ordered_json runs = ordered_json::array();
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    const RunOutcome& outcome = outcomes[i];
    runs.push_back({{"run", sweep.runs[i].name},
                    {"setting", sweep.runs[i].setting},
                    {"random_seed", sweep.runs[i].config.random_seed},
                    {"outcome", outcome_word(outcome)},
                    {"error", outcome.failure ? ordered_json(*outcome.failure) : ordered_json(nullptr)},
                    {"epochs", outcome.result ? outcome.result->epochs_run : 0},
                    {"val_loss", number_or_null(outcome.lowest_loss)},
                    {"val_accuracy", number_or_null(outcome.highest_accuracy)},
                    {"test_accuracy", number_or_null(test_accuracy(outcome))}});
  }
  return {{"name", sweep.name},
          {"by", choice_word(sweep.by)},
          {"settings", std::move(settings)},
          {"runs", std::move(runs)}};
}

std::vector<std::string> swept_keys(const Sweep& sweep) {
  std::vector<std::string> keys;
  for (const ordered_json& setting : sweep.settings)
    for (const auto& [key, value] : setting.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  return keys;
}

std::string results_csv(const Sweep& sweep, const std::vector<RunOutcome>& outcomes) {
  const std::vector<std::string> keys = swept_keys(sweep);
  std::string csv = "run,setting,random_seed";
  for (const std::string& key : keys)
    if (key != "random_seed") csv += "," + key;
  csv += ",outcome,epochs_run,val_loss,val_accuracy,test_loss,test_accuracy\n";
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    const SweepRun& run = sweep.runs[i];
    const RunOutcome& outcome = outcomes[i];
    csv += fmt::format("{},{},{}", run.name, run.setting, run.config.random_seed);
    const ordered_json config = config_to_json(run.config);
    for (const std::string& key : keys) {
      if (key == "random_seed") continue;
      const ordered_json& value = config.at(key);
      csv += "," + csv_text(value.is_string() ? value.get<std::string>() : json_text(value));
    }
    const bool tested = outcome.result && outcome.result->test;
    csv += fmt::format(",{},{},{},{},{},{}\n", outcome_word(outcome), outcome.result ? outcome.result->epochs_run : 0,
                       csv_number(outcome.lowest_loss), csv_number(outcome.highest_accuracy),
                       csv_number(tested ? std::optional(outcome.result->test->loss) : std::nullopt),
                       csv_number(test_accuracy(outcome)));
  }
  return csv;
}

}  // namespace fer_ddp
