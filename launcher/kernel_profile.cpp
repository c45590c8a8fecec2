#include "launcher/kernel_profile.h"

#include <fmt/format.h>

namespace fer_ddp {

namespace {

std::string share_text(double share) {
  return share > 0 ? fmt::format("{:8.0f}%", 100 * share) : fmt::format("{:9}", "");
}

// Of a name of C++ that is too long for a column, what stands before its arguments and the template's.
std::string short_name(const std::string& name) {
  constexpr size_t kMost = 39;
  const std::string own = name.substr(0, name.find_first_of("(<", 1));
  const std::string& shown = name.size() <= kMost ? name : own;
  return shown.size() <= kMost ? shown : shown.substr(shown.size() - kMost);
}

std::string row_text(const KernelTime& row, double steps, double total, const DevicePeaks& peaks) {
  const double a_call = row.calls > 0 ? row.seconds / static_cast<double>(row.calls) : 0;
  const KernelWork& work = row.work;
  std::string text = fmt::format("{:40}{:66}{:9.1f}{:12.1f}{:7.1f}%", short_name(work.kernel), work.shape,
                                 static_cast<double>(row.launches) / steps, 1e6 * row.seconds / steps,
                                 total > 0 ? 100 * row.seconds / total : 0);
  if (a_call <= 0 || (work.bytes == 0 && work.operations == 0)) return text;
  const double speed = work.on_matrix_units ? peaks.tensor_operations_per_second : peaks.operations_per_second;
  text += fmt::format("{:10.2f}{:10.3f}", 1e-6 * work.bytes, 1e-9 * work.operations);
  text += share_text(peaks.bytes_per_second > 0 ? work.bytes / peaks.bytes_per_second / a_call : 0);
  text += share_text(speed > 0 ? work.operations / speed / a_call : 0);
  return text;
}

std::string peak_text(const DevicePeaks& peaks) {
  std::string text = fmt::format("{:.2f} TB/s, {:.1f} TFLOP/s fp32", 1e-12 * peaks.bytes_per_second,
                                 1e-12 * peaks.operations_per_second);
  if (peaks.tensor_operations_per_second > 0)
    text += fmt::format(", {:.0f} on its matrix units", 1e-12 * peaks.tensor_operations_per_second);
  return text;
}

}  // namespace

std::string kernel_table(std::span<const KernelTime> kernels, int64_t steps, const DevicePeaks& peaks) {
  if (kernels.empty() || steps == 0) return "no profile: no step was run, or the GPU's kernels left no records";
  const auto step_count = static_cast<double>(steps);
  double total = 0;
  double launches = 0;
  double least = 0;
  for (const KernelTime& row : kernels) {
    total += row.seconds;
    launches += static_cast<double>(row.launches);
    least += row.work.least_seconds(peaks) * static_cast<double>(row.calls);
  }
  std::string text = fmt::format(
      "{} steps without graphs, of {:.1f} kernels and {:.1f} us in them on this rank; by bytes and operations {:.1f} "
      "us "
      "at least (by the GPU's clocks {})\n{:40}{:66}{:>9}{:>12}{:>8}{:>10}{:>10}{:>9}{:>9}\n",
      steps, launches / step_count, 1e6 * total / step_count, 1e6 * least / step_count, peak_text(peaks), "kernel",
      "of", "launches", "us a step", "share", "MB", "GFLOP", "of bytes", "of FLOP");
  for (const KernelTime& row : kernels) text += row_text(row, step_count, total, peaks) + "\n";
  text.pop_back();
  return text;
}

}  // namespace fer_ddp
