#include "report/progress.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "core/text.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::milliseconds kRedrawInterval{125};
constexpr const char* kGap = "  ";

std::string rate_text(double images_per_second) { return grouped_rounded(images_per_second) + " images/s"; }

}  // namespace

std::string progress_text(const Progress& progress, int width) {
  std::vector<std::string> parts = {fmt::format("epoch {}/{}", progress.epoch + 1, progress.epochs),
                                    fmt::format("step {}/{}", grouped(progress.steps_done), grouped(progress.steps))};
  if (!std::isnan(progress.loss)) parts.push_back(fmt::format("loss {:.4f}", progress.loss));
  if (!std::isnan(progress.accuracy)) parts.push_back(fmt::format("accuracy {:.4f}", progress.accuracy));
  if (std::isfinite(progress.images_per_second)) parts.push_back(rate_text(progress.images_per_second));
  if (std::isfinite(progress.seconds_left)) parts.push_back(human_duration(progress.seconds_left) + " left");

  std::string line;
  for (const std::string& part : parts) {
    const std::string_view gap = line.empty() ? "" : kGap;
    if (static_cast<int>(line.size() + gap.size() + part.size()) > width) break;
    line.append(gap).append(part);
  }
  return line;
}

std::string epoch_text(const EpochRecord& record, int epochs, bool is_best) {
  const std::string validation =
      record.validated()
          ? fmt::format("  val_loss {}  val_accuracy {}", fixed_text(record.val_loss), fixed_text(record.val_accuracy))
          : "  not validated";
  return fmt::format("epoch {}/{}  loss {}  accuracy {}{}  lr {:.6g}  {}  {}{}", record.epoch + 1, epochs,
                     fixed_text(record.loss), fixed_text(record.accuracy), validation, record.learning_rate,
                     rate_text(record.images_per_second), human_duration(record.seconds), is_best ? "  * best" : "");
}

bool ProgressLine::due(Clock::time_point now) const { return active_ && now >= next_; }

void ProgressLine::show(const Progress& progress, Clock::time_point now) {
  if (!due(now)) return;
  messages_.redraw(progress_text(progress, messages_.columns()));
  next_ = now + kRedrawInterval;
}

}  // namespace fer_ddp
