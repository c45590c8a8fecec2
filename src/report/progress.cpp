#include "report/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <vector>

#include "core/text.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::milliseconds kRedrawInterval{125};
constexpr int kUsualWidth = 80;
constexpr const char* kEraseLine = "\r\x1b[K";
constexpr const char* kGap = "  ";

std::string rate_text(double images_per_second) {
  return fmt::format("{} images/s", grouped(std::llround(images_per_second)));
}

// The terminal's columns, less the last one, in which some terminals wrap. Asked anew each time: windows are resized.
int drawable_width(std::FILE* stream) {
  winsize size{};
  const bool known = ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : kUsualWidth) - 1;
}

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
  return fmt::format(
      "epoch {}/{}  loss {:.4f}  accuracy {:.4f}  val_loss {:.4f}  val_accuracy {:.4f}  lr {:.6g}  {}  {}{}",
      record.epoch + 1, epochs, record.loss, record.accuracy, record.val_loss, record.val_accuracy,
      record.learning_rate, rate_text(record.images_per_second), human_duration(record.seconds),
      is_best ? "  * best" : "");
}

ProgressLine::ProgressLine(std::FILE* stream, bool wanted)
    : stream_(stream), active_(wanted && ::isatty(::fileno(stream)) == 1) {}

bool ProgressLine::due(Clock::time_point now) const { return active_ && now >= next_; }

void ProgressLine::show(const Progress& progress, Clock::time_point now) {
  if (!due(now)) return;
  fmt::print(stream_, "{}{}", kEraseLine, progress_text(progress, drawable_width(stream_)));
  std::fflush(stream_);
  drawn_ = true;
  next_ = now + kRedrawInterval;
}

void ProgressLine::clear() {
  if (!drawn_) return;
  std::fputs(kEraseLine, stream_);
  std::fflush(stream_);
  drawn_ = false;
}

}  // namespace fer_ddp
