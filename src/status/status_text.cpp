#include "status/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/text.h"

namespace fer_ddp {

namespace {

std::string metrics(const std::optional<EpochRecord>& record) {
  if (!record) return "none yet";
  return fmt::format("epoch {:<4} loss {:.4f}  accuracy {:.4f}  val_loss {:.4f}  val_accuracy {:.4f}", record->epoch + 1, record->loss,
                     record->accuracy, record->val_loss, record->val_accuracy);
}

// Whole epochs and the part of the current one, as a bar.
std::string bar(const StatusSnapshot& status, int width) {
  const double part = status.steps_per_epoch > 0 ? static_cast<double>(status.step) / static_cast<double>(status.steps_per_epoch) : 0;
  const double share = status.epochs > 0 ? std::clamp((status.epoch + part) / status.epochs, 0.0, 1.0) : 0;
  const auto full = static_cast<int>(std::lround(share * width));
  std::string text;
  for (int i = 0; i < width; ++i) text += i < full ? "█" : "░";
  return fmt::format("{} {:3.0f} %", text, 100 * share);
}

std::string rank_lines(const StatusSnapshot& status) {
  std::map<std::string, std::vector<const RankPlace*>> by_host;
  for (const RankPlace& place : status.ranks) by_host[place.host].push_back(&place);
  std::string lines;
  for (const auto& [host, places] : by_host)
    lines += fmt::format("  {:<12} {} rank{}: {}\n", host, places.size(), places.size() == 1 ? "" : "s", places.front()->device);
  return lines;
}

}  // namespace

std::string phase_name(RunPhase phase) {
  switch (phase) {
    case RunPhase::kStarting: return "starting";
    case RunPhase::kTraining: return "training";
    case RunPhase::kEvaluating: return "evaluating";
    case RunPhase::kCheckpointing: return "checkpointing";
    case RunPhase::kTesting: return "testing";
    case RunPhase::kDone: return "done";
  }
  return "unknown";
}

std::string status_line(const StatusSnapshot& status) {
  std::string line = fmt::format("{}: {}", status.run, phase_name(status.phase));
  if (!status.stop_reason.empty()) line += fmt::format(" ({})", status.stop_reason);
  line += fmt::format(", epoch {}/{}, step {}/{}", std::min(status.epoch + 1, status.epochs), status.epochs, status.step,
                      status.steps_per_epoch);
  if (status.loss) line += fmt::format(", loss {:.4f}", *status.loss);
  if (status.accuracy) line += fmt::format(", accuracy {:.4f}", *status.accuracy);
  if (status.latest_epoch) line += fmt::format(", val_loss {:.4f}, val_accuracy {:.4f}", status.latest_epoch->val_loss, status.latest_epoch->val_accuracy);
  line += fmt::format(", {} images/s", grouped(std::llround(status.images_per_second)));
  if (status.eta_seconds && status.phase != RunPhase::kDone) line += fmt::format(", {} left", human_duration(*status.eta_seconds));
  return line;
}

std::string status_screen(const StatusSnapshot& status, int width) {
  const auto line = [](const char* name, const std::string& text) { return fmt::format("  {:<12} {}\n", name, text); };
  std::string screen = fmt::format("{}  {}{}\n", status.run, phase_name(status.phase),
                                   status.stop_reason.empty() ? "" : " (" + status.stop_reason + ")");
  screen += fmt::format("  {}\n\n", bar(status, std::clamp(width - 12, 10, 60)));
  screen += line("epoch", fmt::format("{} of {}", std::min(status.epoch + 1, status.epochs), status.epochs));
  screen += line("step", fmt::format("{} of {}", grouped(status.step), grouped(status.steps_per_epoch)));
  screen += line("now", status.loss ? fmt::format("loss {:.4f}  accuracy {:.4f}", *status.loss, status.accuracy.value_or(0)) : "nothing yet");
  screen += line("last", metrics(status.latest_epoch));
  screen += line("best loss", metrics(status.best_epoch_by_loss));
  screen += line("best acc.", metrics(status.best_epoch_by_accuracy));
  screen += line("rate", fmt::format("{:g}", status.learning_rate));
  screen += line("speed", fmt::format("{} images/s", grouped(std::llround(status.images_per_second))));
  screen += line("time", fmt::format("{} so far{}", human_duration(status.elapsed_seconds),
                                     status.eta_seconds ? fmt::format(", at most {} left", human_duration(*status.eta_seconds)) : ""));
  return screen + "\n" + rank_lines(status);
}

}  // namespace fer_ddp
