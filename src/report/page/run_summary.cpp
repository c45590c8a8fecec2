#include "report/page/run_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

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
  int64_t images = 0;  // that it was measured on; 0: unknown
};

std::optional<Headline> headline_of(const ReportRun& run) {
  if (run.result && run.result->test) {
    const Evaluation& test = *run.result->test;
    return Headline{test.accuracy(), "test accuracy", majority_baseline(run, BaselineOf::kTest), test.images};
  }
  const EpochRecord* best = find_epoch(run, best_epoch_by_accuracy(run.history));
  if (best == nullptr) return std::nullopt;
  const int64_t images = run.class_counts ? total((*run.class_counts)[1]) : 0;
  return Headline{best->val_accuracy, "highest validation accuracy so far",
                  majority_baseline(run, BaselineOf::kValidation), images};
}

std::string margin_words(const Headline& headline) {
  std::string words;
  if (headline.images > 0) {
    const double error = std::sqrt(headline.accuracy * (1 - headline.accuracy) / static_cast<double>(headline.images));
    words = fmt::format("± {:.1f} points (standard error on {} images)", 100 * error, grouped(headline.images));
  }
  if (headline.baseline) {
    const double gain = 100 * (headline.accuracy - headline.baseline->accuracy);
    words += fmt::format("{}<b>{:.1f} points {}</b> always guessing {}", words.empty() ? "" : ", ", std::abs(gain),
                         gain >= 0 ? "above" : "below", headline.baseline->class_name);
  }
  return words;
}

// A ruler from 0 to 100 % with the accuracy as a bar and the baseline as a tick.
std::string ruler(const Headline& headline) {
  std::string html =
      fmt::format(R"(<div class="ruler" aria-hidden="true"><span class="reached" style="--share:{:.4f}"></span>)",
                  headline.accuracy);
  if (headline.baseline) {
    html += fmt::format(R"(<span class="baseline" style="--share:{:.4f}"><em>always {} {}</em></span>)",
                        headline.baseline->accuracy, headline.baseline->class_name,
                        percent_text(headline.baseline->accuracy));
  }
  return html + R"(<span class="scale"><i>0</i><i>25</i><i>50</i><i>75</i><i>100 %</i></span></div>)";
}

std::string fact(const std::string& name, const std::string& value, const std::string& detail = {}) {
  return fmt::format("<div><dt>{}</dt><dd>{}{}</dd></div>", escape_html(name), escape_html(value),
                     detail.empty() ? "" : fmt::format("<small>{}</small>", escape_html(detail)));
}

std::string outcome_facts(const ReportRun& run) {
  std::string facts;
  if (run.result && run.result->test) {
    const Evaluation& test = *run.result->test;
    facts += fact("test loss", loss_text(test.loss));
    if (test.copies() > 0)
      facts += fact("test accuracy without copies", percent_text(test.without_copies->accuracy()),
                    fmt::format("{} test images are copies of training images", grouped(test.copies())));
  }
  if (const EpochRecord* best = find_epoch(run, best_epoch_by_loss(run.history))) {
    facts += fact("lowest validation loss", loss_text(best->val_loss), epoch_name(best->epoch));
  }
  if (const EpochRecord* best = find_epoch(run, best_epoch_by_accuracy(run.history))) {
    facts += fact("highest validation accuracy", percent_text(best->val_accuracy), epoch_name(best->epoch));
  }
  if (const std::optional<int> kept = kept_epoch(run)) {
    facts += fact("weights kept", epoch_name(*kept), run.result->restored_epoch ? "restored" : "the last one");
  }
  if (!run.history.empty()) {
    facts += fact("epochs", fmt::format("{}", run.history.size()), stop_reason_words(run));
    facts += fact("time", human_duration(run_seconds(run)),
                  fmt::format("{} images/s", grouped_rounded(usual_images_per_second(run))));
  }
  return facts.empty() ? "" : fmt::format(R"(<dl class="facts">{}</dl>)", facts);
}

std::string config_text(const ReportRun& run, const char* key) {
  if (!run.config.is_object() || !run.config.contains(key)) return {};
  const Json& value = run.config.at(key);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string config_table(const Json& config) {
  if (!config.is_object()) return R"(<p class="absent">No config.json in the run's folder.</p>)";
  std::string rows;
  for (const auto& [key, value] : config.items()) {
    rows += fmt::format(
        R"(<div{}><dt>{}</dt><dd>{}</dd></div>)", value.is_null() ? R"( class="off")" : "", escape_html(key),
        value.is_null() ? "off" : escape_html(value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return fmt::format(R"(<dl class="config">{}</dl>)", rows);
}

// Ranks that share a host and a device stand together: "0–3".
std::string ranks_table(const std::vector<RankPlace>& ranks) {
  std::string rows;
  for (size_t first = 0; first < ranks.size();) {
    size_t last = first;
    while (last + 1 < ranks.size() && ranks[last + 1].host == ranks[first].host &&
           ranks[last + 1].device == ranks[first].device)
      ++last;
    const std::string numbers = first == last ? fmt::format("{}", ranks[first].rank)
                                              : fmt::format("{}–{}", ranks[first].rank, ranks[last].rank);
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", numbers, escape_html(ranks[first].host),
                        escape_html(ranks[first].device));
    first = last + 1;
  }
  return fmt::format(R"(<table class="ranks"><thead><tr><th scope="col">ranks</th><th scope="col">host</th>)"
                     R"(<th scope="col">device</th></tr></thead><tbody>{}</tbody></table>)",
                     rows);
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

std::string outcome_section(const ReportRun& run) {
  const std::optional<Headline> headline = headline_of(run);
  std::string html = R"(<section class="outcome"><div class="headline">)";
  if (headline) {
    html += fmt::format(R"(<p class="number">{}</p><p class="what">{}</p>{}<p class="note">{}</p>)",
                        percent_text(headline->accuracy), headline->what,
                        std::isfinite(headline->accuracy) ? ruler(*headline) : "", margin_words(*headline));
  } else {
    html += R"(<p class="absent">No accuracy yet: no epoch with a validation accuracy has finished.</p>)";
  }
  if (!run.result)
    html += R"(<p class="absent">No result.json: the run is still going, or it was interrupted.</p>)";
  else if (!run.result->test)
    html += fmt::format(R"(<p class="absent">Not tested: {}.</p>)",
                        run.result->has_weights ? "there are no test images" : "the run diverged and left no weights");
  return html + "</div>" + outcome_facts(run) + "</section>";
}

std::string setting_section(const ReportRun& run) {
  std::string html = R"(<section><h2>What was run</h2><div class="setting">)";
  html += fmt::format("<div><h3>Configuration</h3>{}</div><div><h3>Machines</h3>", config_table(run.config));
  if (run.result) {
    html += ranks_table(run.result->ranks);
    html += R"(<dl class="config narrow">)" + fact("world size", fmt::format("{}", run.result->world_size)) +
            fact("parameters", grouped(run.result->parameters)) + fact("started", moment_words(run.result->started)) +
            fact("finished", moment_words(run.result->finished)) + fact("ended by", stop_reason_words(run)) + "</dl>";
  } else {
    html += R"(<p class="absent">Known when the run is over.</p>)";
  }
  return html + "</div></div></section>";
}

std::string history_table(const ReportRun& run) {
  if (run.history.empty()) return {};
  std::string rows;
  for (const EpochRecord& record : run.history) {
    rows += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.6g}</td><td>{:.1f}</td><td>{}</td></tr>",
        int64_t{record.epoch} + 1, loss_text(record.loss), percent_text(record.accuracy, 2), loss_text(record.val_loss),
        percent_text(record.val_accuracy, 2), record.learning_rate, record.seconds,
        grouped_rounded(record.images_per_second));
  }
  return fmt::format(
      R"(<details><summary>Every epoch in numbers</summary><div class="scrolls"><table class="history"><thead><tr>)"
      R"(<th>epoch</th><th>loss</th><th>accuracy</th><th>validation loss</th><th>validation accuracy</th>)"
      R"(<th>learning rate</th><th>seconds</th><th>images/s</th></tr></thead><tbody>{}</tbody></table></div></details>)",
      rows);
}

}  // namespace fer_ddp
