#include "report/page/mistakes_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/text.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

constexpr size_t kMostShown = 24;

Html face(const Mistake& mistake) {
  const ImagePrediction& said = mistake.said.said;
  return fill("mistake", {{"truth", kExpressionNames[said.label]},
                          {"called", kExpressionNames[said.called]},
                          {"percent", percent_text(static_cast<double>(said.probability))},
                          {"truth_percent", percent_text(static_cast<double>(said.label_probability))},
                          {"row", fmt::format("{}", mistake.said.row)},
                          {"copy", mistake.said.copy ? ", a copy" : ""},
                          {"png", base64(mistake.face_png)}});
}

Html section(const std::string& words, std::vector<Mistake> mistakes) {
  std::erase_if(mistakes, [](const Mistake& mistake) { return mistake.face_png.empty(); });
  if (mistakes.empty()) return {};
  if (mistakes.size() > kMostShown) mistakes.resize(kMostShown);
  Html faces;
  for (const Mistake& mistake : mistakes) faces += face(mistake);
  return fill("mistakes",
              {{"words", words + " Row: of the file that the data came from, counted from 0, as in predictions.csv."},
               {"faces", faces}});
}

// Those of one run that the others get wrong as well, with what the former says; the surest of the least sure first.
std::vector<Mistake> shared_mistakes(std::span<const ReportRun> runs) {
  std::vector<std::pair<float, Mistake>> shared;
  for (const Mistake& mistake : runs[0].mistakes) {
    float least = 1;
    bool all_wrong = true;
    for (const ReportRun& run : runs) {
      const ImagePrediction& said = run.predictions[mistake.index].said;
      all_wrong = all_wrong && !said.is_right();
      least = std::min(least, said.probability);
    }
    if (all_wrong) shared.emplace_back(least, mistake);
  }
  std::stable_sort(shared.begin(), shared.end(),
                   [](const auto& one, const auto& other) { return one.first > other.first; });
  std::vector<Mistake> mistakes(shared.size());
  std::transform(shared.begin(), shared.end(), mistakes.begin(), [](const auto& one) { return one.second; });
  return mistakes;
}

}  // namespace

Html mistakes_section(std::span<const ReportRun> runs) {
  if (runs.size() == 1)
    return section(
        "The test images that it gets wrong and is surest of: a face that is hard, a label that is doubtful, "
        "or a picture that is none. In bold what it says; then what it is, and how probable it held that.",
        runs[0].mistakes);
  const bool comparable = std::all_of(runs.begin(), runs.end(), [&runs](const ReportRun& run) {
    return !run.predictions.empty() && same_images(run.predictions, runs[0].predictions);
  });
  if (!comparable) return {};
  return section(fmt::format("Test images that all of these runs get wrong, with what {} says of them. In bold what it "
                             "says; then what it is, and how probable it held that.",
                             runs[0].name),
                 shared_mistakes(runs));
}

}  // namespace fer_ddp
