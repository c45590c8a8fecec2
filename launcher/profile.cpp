#include "launcher/profile.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "kernels/instruction_sets.h"
#include "kernels/peak.h"

namespace fer_ddp {

std::string profile_table(const std::vector<PassTime>& passes, int64_t steps, double peak) {
  if (passes.empty() || steps == 0)
    return "no profile: no step was run, or not by the fused step, which alone keeps one";
  double total = 0;
  for (const PassTime& pass : passes) total += pass.seconds;
  const auto a_step = [&](double value) { return value / static_cast<double>(std::max<int64_t>(steps, 1)); };
  std::string text = fmt::format(
      "{} steps of {:.0f} us on this rank; peak {:.0f} GFLOP/s ({})\n{:34}{:>10}{:>8}{:>10}{:>9}\n", steps,
      1e6 * a_step(total), peak / 1e9, instruction_sets().front(), "pass", "us a step", "share", "GFLOP/s", "of peak");
  for (const PassTime& pass : passes) {
    text += fmt::format("{:34}{:10.0f}{:7.1f}%", pass.name, 1e6 * a_step(pass.seconds), 100 * pass.seconds / total);
    if (pass.operations > 0) {
      const double speed = pass.operations / pass.seconds;
      text += fmt::format("{:10.1f}{:8.0f}%", speed / 1e9, 100 * speed / peak);
    }
    text += '\n';
  }
  text.pop_back();
  return text;
}

std::string checkpoint_line(const CheckpointTimes& times) {
  if (times.count == 0) return {};
  const auto each = [&](double seconds) { return 1e3 * seconds / times.count; };
  return fmt::format(
      "\n{} checkpoint{}: held the run up for {:.1f} ms each, {:.1f} of them to copy it and {:.1f} to wait for the one "
      "before; {:.1f} ms each to write, meanwhile",
      times.count, times.count == 1 ? "" : "s", each(times.waiting_seconds + times.copying_seconds),
      each(times.copying_seconds), each(times.waiting_seconds), each(times.writing_seconds));
}

double measured_peak() {
  constexpr int64_t kOperations = 2'000'000'000;  // of each thread
  std::atomic<int64_t> done = 0;
  const auto run = [&] {
    const auto start = std::chrono::steady_clock::now();
    at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) done += run_at_peak(kOperations);
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  run();  // wakes the threads, and the vector units
  done = 0;
  const double seconds = run();
  return static_cast<double>(done) / seconds;
}

}  // namespace fer_ddp
