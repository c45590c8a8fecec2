#include "data/counts_table.h"

#include <fmt/format.h>

#include "core/text.h"

namespace fer_ddp {

namespace {

double percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string counts_table(const Manifest& manifest) {
  std::string text = fmt::format("{:<12}", "");
  for (const Split split : kSplits) text += fmt::format("{:>22}", split_name(split));
  text += "\n";
  for (size_t label = 0; label < kExpressionNames.size(); ++label) {
    text += fmt::format("{} {:<10}", label, kExpressionNames[label]);
    for (const Split split : kSplits) {
      const int64_t count = manifest.class_counts[split][label];
      text += fmt::format("{:>13} {:>6.2f} %", grouped(count), percent(count, manifest.rows(split)));
    }
    text += "\n";
  }
  text += fmt::format("{:<12}", "images");
  for (const Split split : kSplits) text += fmt::format("{:>13}{:>9}", grouped(manifest.rows(split)), "");
  text += fmt::format("\n{:<12}", "majority");
  for (const Split split : kSplits) {
    const ClassCounts& counts = manifest.class_counts[split];
    const auto majority = static_cast<size_t>(majority_class(counts));
    if (manifest.rows(split) == 0) {
      text += fmt::format("{:>22}", "none");
      continue;
    }
    text +=
        fmt::format("{:>13} {:>6.2f} %", kExpressionNames[majority], percent(counts[majority], manifest.rows(split)));
  }
  return text + "\n";
}

}  // namespace fer_ddp
