#include "report/page/run_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include "core/statistics.h"
#include "core/text.h"
#include "report/page/data_section.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

// The number that stands for the run.
struct Headline {
  double accuracy;
  std::string what;
  std::optional<MajorityBaseline> baseline;
  int64_t images = 0;   // that it was measured on; 0: unknown
  int64_t correct = 0;  // of these
};

std::optional<Headline> headline_of(const ReportRun& run) {
  if (run.result && run.result->test) {
    const Evaluation& test = *run.result->test;
    return Headline{test.accuracy(), "test accuracy", majority_baseline(run, BaselineOf::kTest), test.images,
                    test.correct()};
  }
  const EpochRecord* best = find_epoch(run, best_epoch_by_accuracy(run.history));
  if (best == nullptr) return std::nullopt;
  const int64_t images = run.class_counts ? total((*run.class_counts)[1]) : 0;
  return Headline{best->val_accuracy, run.result ? "highest validation accuracy" : "highest validation accuracy so far",
                  majority_baseline(run, BaselineOf::kValidation), images,
                  std::llround(best->val_accuracy * static_cast<double>(images))};
}

Html margin_words(const Headline& headline) {
  Html words;
  if (headline.images > 0) {
    const ShareInterval interval = wilson_interval(headline.correct, headline.images);
    words += fill("margin-error", {{"low", percent_text(interval.low)},
                                   {"high", percent_text(interval.high)},
                                   {"images", grouped(headline.images)}});
  }
  if (headline.baseline) {
    const double gain = 100 * (headline.accuracy - headline.baseline->accuracy);
    if (!words.empty()) words += html_of(", ");
    words += fill("margin-baseline", {{"points", fmt::format("{:.1f}", std::abs(gain))},
                                      {"direction", gain >= 0 ? "above" : "below"},
                                      {"class", headline.baseline->class_name}});
  }
  return words;
}

// A ruler from 0 to 100 % with the accuracy as a bar and the baseline as a tick.
Html ruler(const Headline& headline) {
  if (!std::isfinite(headline.accuracy)) return {};
  Html baseline;
  if (headline.baseline)
    baseline = fill("ruler-baseline", {{"share", fmt::format("{:.4f}", headline.baseline->accuracy)},
                                       {"class", headline.baseline->class_name},
                                       {"percent", percent_text(headline.baseline->accuracy)}});
  return fill("ruler", {{"share", fmt::format("{:.4f}", headline.accuracy)}, {"baseline", baseline}});
}

Html absent(const std::string& text) { return fill("absent", {{"text", text}}); }

Html fact(const char* name, const std::string& value, const std::string& detail = {}) {
  return fill("fact", {{"name", name}, {"value", value}, {"detail", detail.empty() ? Html() : small(detail)}});
}

Html outcome_facts(const ReportRun& run) {
  Html facts;
  if (run.result && run.result->test) {
    const Evaluation& test = *run.result->test;
    facts += fact("test loss", loss_text(test.loss));
    if (test.copies() > 0)
      facts += fact("test accuracy without copies", percent_text(test.without_copies->accuracy()),
                    fmt::format("{} test images are copies of training images", grouped(test.copies())));
  }
  if (const EpochRecord* best = find_epoch(run, best_epoch_by_loss(run.history)))
    facts += fact("lowest validation loss", loss_text(best->val_loss), epoch_name(best->epoch));
  if (const EpochRecord* best = find_epoch(run, best_epoch_by_accuracy(run.history)))
    facts += fact("highest validation accuracy", percent_text(best->val_accuracy), epoch_name(best->epoch));
  if (const std::optional<int> kept = kept_epoch(run))
    facts += fact("weights kept", epoch_name(*kept), run.result->restored_epoch ? "restored" : "the last one");
  if (!run.history.empty()) {
    facts += fact("epochs", fmt::format("{}", run.history.size()), stop_reason_words(run));
    facts += fact("time", human_duration(run_seconds(run)),
                  fmt::format("{} images/s", grouped_rounded(usual_images_per_second(run))));
  }
  return facts.empty() ? facts : fill("facts", {{"facts", facts}});
}

std::string config_text(const ReportRun& run, const char* key) {
  if (!run.config.is_object() || !run.config.contains(key)) return {};
  const Json& value = run.config.at(key);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Html config_table(const Json& config) {
  if (!config.is_object()) return absent("No config.json in the run's folder.");
  Html rows;
  for (const auto& [key, value] : config.items()) {
    if (value.is_null())
      rows += fill("config-row-off", {{"key", key}});
    else
      rows +=
          fill("config-row", {{"key", key}, {"value", value.is_string() ? value.get<std::string>() : value.dump()}});
  }
  return fill("config-table", {{"rows", rows}});
}

// Ranks that share a host and a device stand together: "0–3".
Html ranks_table(const std::vector<RankPlace>& ranks) {
  Html rows;
  for (size_t first = 0; first < ranks.size();) {
    size_t last = first;
    while (last + 1 < ranks.size() && ranks[last + 1].host == ranks[first].host &&
           ranks[last + 1].device == ranks[first].device)
      ++last;
    const std::string numbers = first == last ? fmt::format("{}", ranks[first].rank)
                                              : fmt::format("{}–{}", ranks[first].rank, ranks[last].rank);
    rows += fill("ranks-row", {{"ranks", numbers}, {"host", ranks[first].host}, {"device", ranks[first].device}});
    first = last + 1;
  }
  return fill("ranks-table", {{"rows", rows}});
}

// "2026-01-31T12:00:00.000Z" -> "2026-01-31 12:00:00 UTC".
std::string moment_words(const std::string& timestamp) {
  if (timestamp.size() < 19 || timestamp[10] != 'T') return timestamp;
  return timestamp.substr(0, 10) + " " + timestamp.substr(11, 8) + " UTC";
}

}  // namespace

std::string stop_reason_words(const ReportRun& run) {
  if (!run.result) return "still going, or interrupted";
  if (run.result->stop_reason == "epochs_done") return "all epochs done";
  if (run.result->stop_reason == "stop_requested") return "stopped on request";
  std::string words = run.result->stop_reason;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

double run_seconds(const ReportRun& run) {
  if (run.result) return run.result->seconds;
  double seconds = 0;
  for (const EpochRecord& record : run.history) seconds += record.seconds;
  return seconds;
}

double usual_images_per_second(const ReportRun& run) {
  std::vector<double> speeds;
  for (const EpochRecord& record : run.history) {
    if (std::isfinite(record.images_per_second)) speeds.push_back(record.images_per_second);
  }
  if (speeds.empty()) return 0;
  const auto middle = speeds.begin() + static_cast<ptrdiff_t>(speeds.size() / 2);
  std::nth_element(speeds.begin(), middle, speeds.end());
  return *middle;
}

std::string run_in_words(const ReportRun& run) {
  const std::string model = config_text(run, "model");
  std::string words = model.empty() ? "A run of" : model + ",";
  words += fmt::format(" {} epoch{}", run.history.size(), run.history.size() == 1 ? "" : "s");
  if (!run.history.empty()) words += " in " + human_duration(run_seconds(run));
  if (run.result) words += fmt::format(" on {} rank{}", run.result->world_size, run.result->world_size == 1 ? "" : "s");
  words += "; " + stop_reason_words(run);
  if (run.result && run.result->restored_epoch)
    words += fmt::format(", weights of {} restored", epoch_name(*run.result->restored_epoch));
  return words;
}

Html outcome_section(const ReportRun& run) {
  const std::optional<Headline> headline = headline_of(run);
  const Html number = headline ? fill("headline", {{"number", percent_text(headline->accuracy)},
                                                   {"what", headline->what},
                                                   {"ruler", ruler(*headline)},
                                                   {"margin", margin_words(*headline)}})
                               : absent("No accuracy yet: no epoch with a validation accuracy has finished.");
  Html missing;
  if (!run.result)
    missing = absent("No result.json: the run is still going, or it was interrupted.");
  else if (!run.result->test)
    missing = absent(fmt::format("Not tested: {}.", run.result->has_weights ? "there are no test images"
                                                                            : "the run diverged and left no weights"));
  return fill("outcome", {{"headline", number}, {"absent", missing}, {"facts", outcome_facts(run)}});
}

namespace {

Html history_rows(std::span<const EpochRecord> history) {
  Html rows;
  for (const EpochRecord& record : history)
    rows += fill("history-row", {{"epoch", fmt::format("{}", int64_t{record.epoch} + 1)},
                                 {"loss", loss_text(record.loss)},
                                 {"accuracy", percent_text(record.accuracy, 2)},
                                 {"val_loss", loss_text(record.val_loss)},
                                 {"val_accuracy", percent_text(record.val_accuracy, 2)},
                                 {"learning_rate", fmt::format("{:.6g}", record.learning_rate)},
                                 {"seconds", fmt::format("{:.1f}", record.seconds)},
                                 {"speed", grouped_rounded(record.images_per_second)}});
  return rows;
}

}  // namespace

Html setting_section(const ReportRun& run) {
  Html machines = absent("Known when the run is over.");
  if (run.result) {
    const Html facts = fact("world size", fmt::format("{}", run.result->world_size)) +
                       fact("parameters", grouped(run.result->parameters)) +
                       fact("started", moment_words(run.result->started)) +
                       fact("finished", moment_words(run.result->finished)) + fact("ended by", stop_reason_words(run));
    machines = ranks_table(run.result->ranks) + fill("config-table-narrow", {{"rows", facts}});
  }
  return fill("setting", {{"configuration", config_table(run.config)}, {"machines", machines}});
}

// Of a long run the first epochs and the last ones.
Html history_table(const ReportRun& run) {
  constexpr size_t kMostRows = 2000;
  if (run.history.empty()) return {};
  const std::span<const EpochRecord> history = run.history;
  Html rows;
  if (history.size() <= kMostRows)
    rows = history_rows(history);
  else
    rows = history_rows(history.first(kMostRows / 2)) +
           fill("history-gap", {{"epochs", grouped(static_cast<int64_t>(history.size() - kMostRows))}}) +
           history_rows(history.last(kMostRows / 2));
  return fill("history-table", {{"rows", rows}});
}

}  // namespace fer_ddp
