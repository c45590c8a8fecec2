#include "report/page/curve_marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/page/html.h"

namespace fer_ddp {

namespace {

constexpr size_t kRunColours = 7;

struct MarkKind {
  MarkShape shape;
  const char* words;
  const char* style;    // where there is one run
  const char* key_box;  // what of the mark at (0, 0) its key shows
};

constexpr std::array<MarkKind, 3> kMarkKinds = {{
    {MarkShape::kKeptWeights, "weights kept", "plain ring", "-8 -8 16 16"},
    {MarkShape::kLowestLoss, "lowest validation loss", "by-loss", "-8 -18 16 16"},
    {MarkShape::kHighestAccuracy, "highest validation accuracy", "by-accuracy", "-8 2.5 16 16"},
}};

const MarkKind& kind_of(MarkShape shape) {
  return *std::find_if(kMarkKinds.begin(), kMarkKinds.end(),
                       [shape](const MarkKind& kind) { return kind.shape == shape; });
}

std::optional<int> marked_epoch(const ReportRun& run, MarkShape shape) {
  switch (shape) {
    case MarkShape::kLowestLoss:
      return best_epoch_by_loss(run.history);
    case MarkShape::kHighestAccuracy:
      return best_epoch_by_accuracy(run.history);
    case MarkShape::kKeptWeights:
      break;
  }
  return kept_epoch(run);
}

// In a comparison a mark has the colour of its run, and only the ring stays one.
std::string style_among_several(MarkShape shape, size_t run) {
  return shape == MarkShape::kKeptWeights ? run_style(run) + " ring" : run_style(run);
}

Html line_key(const std::string& style, const std::string& words) {
  return fill("line-key", {{"style", style}, {"words", words}});
}

Html mark_key(const MarkKind& kind, const char* style, const Html& epoch) {
  return fill("mark-key", {{"box", kind.key_box},
                           {"style", style},
                           {"path", mark_path(kind.shape, 0, 0)},
                           {"words", kind.words},
                           {"epoch", epoch}});
}

Html legend_of_one(const ReportRun& run) {
  Html keys = line_key("training", "training") + line_key("validation", "validation");
  for (const MarkKind& kind : kMarkKinds)
    if (const std::optional<int> epoch = marked_epoch(run, kind.shape))
      keys += mark_key(kind, kind.style, fill("mark-key-epoch", {{"epoch", epoch_name(*epoch)}}));
  return keys;
}

Html legend_of_several(std::span<const ReportRun> runs) {
  Html keys;
  for (size_t i = 0; i < runs.size(); ++i) keys += line_key(run_style(i), runs[i].name);
  keys += line_key("plain thin", "training") + line_key("plain", "validation");
  for (const MarkKind& kind : kMarkKinds)
    keys += mark_key(kind, kind.shape == MarkShape::kKeptWeights ? "plain ring" : "plain", {});
  return keys;
}

}  // namespace

std::string run_style(size_t index) { return fmt::format("run-{}", index % kRunColours + 1); }

std::vector<ChartMark> curve_marks(std::span<const ReportRun> runs, double EpochRecord::*metric,
                                   std::span<const MarkShape> shapes) {
  std::vector<ChartMark> marks;
  for (size_t i = 0; i < runs.size(); ++i) {
    for (const MarkShape shape : shapes) {
      const EpochRecord* record = find_epoch(runs[i], marked_epoch(runs[i], shape));
      if (record == nullptr) continue;
      marks.push_back(
          {.shape = shape,
           .at = {record->epoch, record->*metric},
           .style = runs.size() == 1 ? kind_of(shape).style : style_among_several(shape, i),
           .text = fmt::format("{}: {}, {}", runs[i].name, kind_of(shape).words, epoch_name(record->epoch))});
    }
  }
  return marks;
}

Html curves_legend(std::span<const ReportRun> runs) {
  return fill("legend", {{"keys", runs.size() == 1 ? legend_of_one(runs[0]) : legend_of_several(runs)}});
}

}  // namespace fer_ddp
