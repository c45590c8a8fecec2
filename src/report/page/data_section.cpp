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

std::string faces_figure(const std::string& png) {
  if (png.empty())
    return R"(<p class="absent">No sample faces: the shards that the run learnt from are not within reach.</p>)";
  std::string names;
  for (const std::string_view name : kExpressionNames) names += fmt::format("<span>{}</span>", name);
  return fmt::format(
      R"(<figure class="faces"><div class="face-names" aria-hidden="true">{}</div>)"
      R"(<img alt="Sample faces, a column for each expression" src="data:image/png;base64,{}"></figure>)",
      names, base64(png));
}

// A row for each class: its images in all splits as a bar, and its share of each split.
std::string distribution_table(const std::array<ClassCounts, 3>& counts) {
  ClassCounts all{};
  for (const ClassCounts& split : counts) {
    for (size_t label = 0; label < all.size(); ++label) all[label] += split[label];
  }
  const int64_t largest = *std::max_element(all.begin(), all.end());
  const auto majority = static_cast<size_t>(majority_class(counts[0]));
  std::string html = R"(<div class="scrolls"><table class="distribution"><thead><tr><th scope="col">class</th>)"
                     R"(<th scope="col" class="wide">images</th>)";
  for (const std::string_view name : kSplitNames) html += fmt::format(R"(<th scope="col">{}</th>)", name);
  html += R"(<th scope="col">share</th></tr></thead><tbody>)";
  for (size_t label = 0; label < all.size(); ++label) {
    html += fmt::format(
        R"(<tr{}><th scope="row">{}</th><td class="wide"><span class="bar" style="--share:{:.3f}"></span></td>)",
        label == majority ? R"( class="majority")" : "", kExpressionNames[label], share_of(all[label], largest));
    for (const ClassCounts& split : counts) html += fmt::format("<td>{}</td>", grouped(split[label]));
    html += fmt::format("<td>{}</td></tr>", percent_text(share_of(all[label], total(all))));
  }
  html += R"(</tbody><tfoot><tr><th scope="row">all</th><td class="wide"></td>)";
  for (const ClassCounts& split : counts) html += fmt::format("<td>{}</td>", grouped(total(split)));
  return html + fmt::format("<td>{}</td></tr></tfoot></table></div>", grouped(total(all)));
}

std::string distribution(const ReportRun& run) {
  if (!run.class_counts) return R"(<p class="absent">No class counts: the shards' manifest is not within reach.</p>)";
  const std::optional<MajorityBaseline> baseline = majority_baseline(run, BaselineOf::kTest);
  const std::string note =
      baseline ? fmt::format(
                     "Always guessing <b>{}</b>, the largest class in training, is right for <b>{}</b> of the test "
                     "images: the majority baseline.",
                     baseline->class_name, percent_text(baseline->accuracy))
               : "There are no test images, and so no majority baseline.";
  return distribution_table(*run.class_counts) + fmt::format(R"(<p class="note">{}</p>)", note);
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

std::string data_section(const ReportRun& run) {
  return fmt::format("<section><h2>What it learnt from</h2>{}{}</section>", faces_figure(run.faces_png),
                     distribution(run));
}

std::string seen_section(const ReportRun& run) {
  if (run.seen_png.empty()) return {};
  return fmt::format(
      R"(<section><h2>As the network sees them</h2><p class="note">Images of the first batch of {}, each as it is )"
      R"(stored and, to its right, as the network sees it: {}.</p><figure class="faces">)"
      R"(<img alt="Pairs of faces, as stored and as changed" src="data:image/png;base64,{}"></figure></section>)",
      epoch_name(0), escape_html(run.seen_words), base64(run.seen_png));
}

}  // namespace fer_ddp
