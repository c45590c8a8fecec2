#include "report/page/data_section.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

constexpr std::array<std::string_view, 3> kSplitNames = {"training", "validation", "test"};

double share_of(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

Html absent(const char* text) { return fill("absent", {{"text", text}}); }

Html faces_figure(const std::string& png) {
  if (png.empty()) return absent("No sample faces: the shards that the run learnt from are not within reach.");
  Html names;
  for (const std::string_view name : kExpressionNames) names += fill("face-name", {{"name", name}});
  return fill("faces", {{"names", names}, {"png", base64(png)}});
}

// A row for each class: its images in all splits as a bar, and its share of each split.
Html distribution_table(const std::array<ClassCounts, 3>& counts, const Html& note) {
  ClassCounts all{};
  for (const ClassCounts& split : counts) {
    for (size_t label = 0; label < all.size(); ++label) all[label] += split[label];
  }
  const int64_t largest = *std::max_element(all.begin(), all.end());
  const auto majority = static_cast<size_t>(majority_class(counts[0]));
  Html headings;
  Html sums;
  for (size_t split = 0; split < counts.size(); ++split) {
    headings += fill("column-heading", {{"text", kSplitNames[split]}});
    sums += cell(grouped(total(counts[split])));
  }
  Html rows;
  for (size_t label = 0; label < all.size(); ++label) {
    Html cells;
    for (const ClassCounts& split : counts) cells += cell(grouped(split[label]));
    rows += fill(label == majority ? "distribution-row-majority" : "distribution-row",
                 {{"name", kExpressionNames[label]},
                  {"bar", fmt::format("{:.3f}", share_of(all[label], largest))},
                  {"counts", cells},
                  {"share", percent_text(share_of(all[label], total(all)))}});
  }
  return fill("distribution", {{"headings", headings},
                               {"rows", rows},
                               {"sums", fill("distribution-sums", {{"counts", sums}, {"all", grouped(total(all))}})},
                               {"note", note}});
}

Html distribution(const ReportRun& run) {
  if (!run.class_counts) return absent("No class counts: the shards' manifest is not within reach.");
  const std::optional<MajorityBaseline> baseline = majority_baseline(run, BaselineOf::kTest);
  const Html note = baseline ? fill("distribution-baseline",
                                    {{"class", baseline->class_name}, {"share", percent_text(baseline->accuracy)}})
                             : html_of("There are no test images, and so no majority baseline.");
  return distribution_table(*run.class_counts, note);
}

}  // namespace

std::optional<MajorityBaseline> majority_baseline(const ReportRun& run, BaselineOf split) {
  std::optional<ClassCounts> guessed_from;
  std::optional<ClassCounts> judged_on;
  if (run.class_counts) {
    guessed_from = (*run.class_counts)[0];
    judged_on = (*run.class_counts)[split == BaselineOf::kTest ? 2 : 1];
  } else if (split == BaselineOf::kTest && run.result && run.result->test) {
    guessed_from = judged_on = run.result->test->true_counts();
  }
  if (!judged_on || total(*judged_on) == 0) return std::nullopt;
  const auto label = static_cast<size_t>(majority_class(*guessed_from));
  return MajorityBaseline{kExpressionNames[label], share_of((*judged_on)[label], total(*judged_on))};
}

Html data_section(const ReportRun& run) {
  return fill("data", {{"faces", faces_figure(run.faces_png)}, {"distribution", distribution(run)}});
}

Html seen_section(const ReportRun& run) {
  if (run.seen_png.empty()) return {};
  return fill("seen", {{"epoch", epoch_name(0)}, {"words", run.seen_words}, {"png", base64(run.seen_png)}});
}

}  // namespace fer_ddp
