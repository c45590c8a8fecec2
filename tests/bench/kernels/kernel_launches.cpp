// What one training step asks of a GPU's kernels, without a GPU: every call with its bytes and operations, and every
// launch of it with its grid, block and shared memory, by the sources of src/cuda/kernels compiled for the host, which
// are not run. Prints JSON, in which a kernel is its place in this program; tests/bench/kernel_resources.py looks its
// name up and makes a table.
// Usage: kernel_launches MODEL BATCH fp32|tf32|bf16 MULTIPROCESSORS
#include <ATen/record_function.h>
#include <dlfcn.h>

#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "comm/identity_communicator.h"
#include "core/config.h"
#include "core/error.h"
#include "fibres.h"
#include "model/model.h"
#include "network/table.h"
#include "step/device/device_step.h"
#include "step/device/kernel_choice.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"

namespace fer_ddp {

namespace {

using nlohmann::json;

// Launches by the call that they are of.
class LaunchLog final : public KernelClock {
 public:
  void begin(int64_t call) override { calls_.push_back(call); }
  void end() override { calls_.pop_back(); }
  [[nodiscard]] Times times() override { return {}; }
  [[nodiscard]] DevicePeaks peaks(Precision) const override { return {}; }

  [[nodiscard]] bool in_step() const { return !calls_.empty(); }
  void add(const cuda_on_host::Launch& launch) {
    Dl_info symbol{};
    if (dladdr(launch.kernel, &symbol) == 0) throw machine_error("a kernel is nowhere in this program");
    const auto place = reinterpret_cast<uintptr_t>(launch.kernel) - reinterpret_cast<uintptr_t>(symbol.dli_fbase);
    launches_[calls_.back()].push_back({{"place", place},
                                        {"blocks", uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z},
                                        {"threads", launch.block.x * launch.block.y * launch.block.z},
                                        {"dynamic_shared_bytes", launch.shared_bytes}});
  }
  [[nodiscard]] json launches(int64_t call) const {
    const auto found = launches_.find(call);
    return found == launches_.end() ? json::array() : found->second;
  }

 private:
  std::vector<int64_t> calls_;
  std::map<int64_t, json> launches_;
};

class LoggingRuntime final : public DeviceRuntime {
 public:
  LoggingRuntime(Reducer& reducer, LaunchLog& log, int multiprocessors)
      : host_(reducer,
              [multiprocessors](Precision precision) { return make_host_kernels(precision, multiprocessors); }),
        log_(log) {}

  [[nodiscard]] at::Device device() const override { return host_.device(); }
  [[nodiscard]] Reducer& reducer() override { return host_.reducer(); }
  void run_repeatedly(int64_t key, const std::function<void()>& work) override { host_.run_repeatedly(key, work); }
  [[nodiscard]] std::unique_ptr<DeviceKernels> make_kernels(Precision precision) override {
    return host_.make_kernels(precision);
  }
  [[nodiscard]] std::string name() const override { return host_.name(); }
  [[nodiscard]] double seconds_of(const std::function<void()>& work) override { return host_.seconds_of(work); }
  [[nodiscard]] KernelClock* kernel_clock() override { return &log_; }
  void close() override {}
  [[nodiscard]] std::unique_ptr<PendingValues> start_copy(const at::Tensor& values) override {
    return host_.start_copy(values);
  }

 private:
  HostRuntime host_;
  LaunchLog& log_;
};

// Of LibTorch's operators that a step calls itself, those that a GPU does something for.
class OperatorLog {
 public:
  explicit OperatorLog(const LaunchLog& log) {
    current() = {&log, {}};
    callback_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(&OperatorLog::enter, &OperatorLog::leave).scopes({at::RecordScope::FUNCTION}));
  }
  ~OperatorLog() { at::removeCallback(callback_); }
  OperatorLog(const OperatorLog&) = delete;
  OperatorLog& operator=(const OperatorLog&) = delete;

  [[nodiscard]] static const std::vector<std::string>& names() { return current().names; }

 private:
  struct Current {
    const LaunchLog* log = nullptr;
    std::vector<std::string> names{};
    int depth = 0;
  };
  static Current& current() {
    static Current current;
    return current;
  }
  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& function) {
    static const std::set<std::string> free_of_work = {"aten::narrow",  "aten::view",       "aten::select",
                                                       "aten::slice",   "aten::as_strided", "aten::detach",
                                                       "aten::detach_", "aten::empty",      "aten::empty_strided"};
    if (current().depth++ == 0 && current().log->in_step() && !free_of_work.contains(function.name()))
      current().names.emplace_back(function.name());
    return nullptr;
  }
  static void leave(const at::RecordFunction&, at::ObserverContext*) { --current().depth; }

  at::CallbackHandle callback_ = 0;
};

json log_step(const Config& config, const std::string& precision, int multiprocessors) {
  const Faces faces = Faces::noise(config.batch_size);
  PerSplit<SplitView> splits;
  splits[Split::kTrain] = {.images = faces.images, .labels = faces.labels};
  const Dataset dataset(Manifest{}, "faces", "", splits);
  const auto model = make_model(configured_network(config), config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  LaunchLog log;
  LoggingRuntime runtime(*communicator, log, multiprocessors);
  DeviceStep step(*model, *optimizer, dataset, runtime, config, nullptr, runtime.make_kernels(config.precision));
  step.begin_epoch(0, faces.rows);
  const OperatorLog operators(log);
  cuda_on_host::observe_launches([&log](const cuda_on_host::Launch& launch) { log.add(launch); });
  step.run(faces.batch(), config.learning_rate);
  json calls = json::array();
  int64_t number = 0;
  for (const KernelTime& row : step.kernel_times()) {
    calls.push_back({{"kernel", row.work.kernel},
                     {"shape", row.work.shape},
                     {"calls", row.calls},
                     {"bytes", row.work.bytes},
                     {"operations", row.work.operations},
                     {"on_matrix_units", row.work.on_matrix_units},
                     {"launches", log.launches(++number)}});
  }
  return {{"model", config.model},
          {"batch", config.batch_size},
          {"precision", precision},
          {"calls", calls},
          {"operators", OperatorLog::names()}};
}

int run(std::span<char*> words) {
  if (words.size() != 5) {
    std::fprintf(stderr, "Usage: kernel_launches MODEL BATCH fp32|tf32|bf16 MULTIPROCESSORS\n");
    return 2;
  }
  Config config{.batch_size = std::stoi(words[2]), .device = DeviceChoice::kCuda, .step = StepChoice::kFused};
  config.model = words[1];
  config.precision = choice_of<Precision>(words[3]).value();
  std::printf("%s\n", log_step(config, words[3], std::stoi(words[4])).dump(2).c_str());
  return 0;
}

}  // namespace

}  // namespace fer_ddp

int main(int count, char** words) {
  try {
    return fer_ddp::run({words, static_cast<size_t>(count)});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel_launches: %s\n", error.what());
    return 1;
  }
}
