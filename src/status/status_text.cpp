#include "status/status_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/text.h"

namespace fer_ddp {

namespace {

// "  loss 1.4321", or nothing for a metric that is missing.
std::string metric(const char* name, double value) {
  return std::isnan(value) ? "" : fmt::format("  {} {:.4f}", name, value);
}

std::string epoch_metrics(const std::optional<EpochRecord>& record) {
  if (!record) return "none yet";
  return fmt::format("epoch {:<4}", record->epoch + 1) + metric("loss", record->loss) +
         metric("accuracy", record->accuracy) + metric("val_loss", record->val_loss) +
         metric("val_accuracy", record->val_accuracy);
}

std::string running_metrics(const StatusSnapshot& status) {
  const std::string text =
      (status.loss ? metric("loss", *status.loss) : "") + (status.accuracy ? metric("accuracy", *status.accuracy) : "");
  return text.empty() ? "nothing yet" : text.substr(2);
}

// How much of all epochs is done, as far as is known.
double share_done(const StatusSnapshot& status) {
  if (status.epochs <= 0) return 0;
  const double steps = status.steps_per_epoch > 0 ? static_cast<double>(status.steps_per_epoch) : 1.0;
  return std::clamp((status.epoch + static_cast<double>(status.step) / steps) / status.epochs, 0.0, 1.0);
}

std::string bar(double share, int width) {
  const auto full = static_cast<int>(std::lround(share * width));
  std::string text;
  for (int i = 0; i < width; ++i) text += i < full ? "█" : "░";
  return fmt::format("{} {:3.0f} %", text, 100 * share);
}

// "node1  4 ranks: cpu", or each rank's device where they differ.
std::string host_lines(const StatusSnapshot& status) {
  std::vector<std::pair<std::string, std::vector<std::string>>> hosts;  // in the order of their first ranks
  for (const RankPlace& place : status.ranks) {
    auto host = std::find_if(hosts.begin(), hosts.end(), [&](const auto& one) { return one.first == place.host; });
    if (host == hosts.end()) host = hosts.insert(host, {place.host, {}});
    host->second.push_back(place.device);
  }
  std::string lines;
  for (const auto& [host, devices] : hosts) {
    const bool alike = std::equal(devices.begin() + 1, devices.end(), devices.begin());
    const std::string text = alike ? devices.front() : fmt::format("{}", fmt::join(devices, ", "));
    lines += fmt::format("  {:<14} {} rank{}: {}\n", host, devices.size(), devices.size() == 1 ? "" : "s", text);
  }
  return lines;
}

// The first `rows` lines of `text`, each cut to `columns`.
std::string cut(std::string_view text, int columns, int rows) {
  std::string shown;
  for (const std::string_view line : lines_of(text)) {
    if (rows-- <= 0) break;
    shown += cut_to_columns(line, columns) + "\n";
  }
  return shown;
}

std::string epoch_text(const StatusSnapshot& status) {
  return fmt::format("{}/{}", std::min(status.epoch + 1, status.epochs), status.epochs);
}

std::string phase_text(const StatusSnapshot& status) {
  const std::string phase = phase_name(status.phase);
  return status.stop_reason.empty() ? phase : fmt::format("{} ({})", phase, status.stop_reason);
}

}  // namespace

std::string phase_name(RunPhase phase) {
  switch (phase) {
    case RunPhase::kStarting:
      return "starting";
    case RunPhase::kTraining:
      return "training";
    case RunPhase::kEvaluating:
      return "evaluating";
    case RunPhase::kCheckpointing:
      return "checkpointing";
    case RunPhase::kTesting:
      return "testing";
    case RunPhase::kDone:
      return "done";
  }
  return "unknown";
}

std::string time_text(const StatusSnapshot& status) {
  std::string so_far = human_duration(status.elapsed_seconds) + " so far";
  if (!status.eta_seconds || status.phase == RunPhase::kDone) return so_far;
  return fmt::format("{}, at most {} left", so_far, human_duration(*status.eta_seconds));
}

std::string status_title(const StatusSnapshot& status) { return fmt::format("{}  {}", status.run, phase_text(status)); }

std::string position_text(const StatusSnapshot& status) {
  return fmt::format("epoch {}  step {}/{}", epoch_text(status), grouped(status.step), grouped(status.steps_per_epoch));
}

std::string progress_bar(const StatusSnapshot& status, int width) { return bar(share_done(status), width); }

std::string status_line(const StatusSnapshot& status) {
  std::string line = fmt::format("{}: {}, epoch {}, step {}/{}", status.run, phase_text(status), epoch_text(status),
                                 grouped(status.step), grouped(status.steps_per_epoch));
  const auto add = [&line](const char* name, double value) {
    if (!std::isnan(value)) line += fmt::format(", {} {:.4f}", name, value);
  };
  if (status.loss) add("loss", *status.loss);
  if (status.accuracy) add("accuracy", *status.accuracy);
  if (status.latest_epoch) add("val_loss", status.latest_epoch->val_loss);
  if (status.latest_epoch) add("val_accuracy", status.latest_epoch->val_accuracy);
  if (status.images_per_second > 0) line += fmt::format(", {} images/s", grouped_rounded(status.images_per_second));
  if (status.eta_seconds && status.phase != RunPhase::kDone)
    line += fmt::format(", {} left", human_duration(*status.eta_seconds));
  return line;
}

std::string status_screen(const StatusSnapshot& status, int columns, int rows) {
  const auto line = [](const char* name, const std::string& text) { return fmt::format("  {:<14} {}\n", name, text); };
  std::string screen = status_title(status) + "\n";
  screen += fmt::format("  {}\n\n", progress_bar(status, std::clamp(columns - 12, 10, 60)));
  screen += line("epoch", epoch_text(status));
  screen += line("step", fmt::format("{}/{}", grouped(status.step), grouped(status.steps_per_epoch)));
  screen += line("now", running_metrics(status));
  screen += line("last", epoch_metrics(status.latest_epoch));
  screen += line("best loss", epoch_metrics(status.best_epoch_by_loss));
  screen += line("best accuracy", epoch_metrics(status.best_epoch_by_accuracy));
  screen += line("learning rate", fmt::format("{:g}", status.learning_rate));
  screen += line("speed", grouped_rounded(status.images_per_second) + " images/s");
  screen += line("time", time_text(status));
  return cut(screen + "\n" + host_lines(status), columns, rows);
}

}  // namespace fer_ddp
