#include "launcher/finished_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/run_layout.h"
#include "launcher/one_run.h"
#include "launcher/run_reader.h"
#include "model/weights.h"
#include "network/table.h"
#include "step/step_choice.h"

namespace fer_ddp {

namespace fs = std::filesystem;

Config config_of_run(const fs::path& run) {
  if (!holds_run(run))
    throw user_error(fmt::format("{}: holds no run (no config.json)", run.string()), "Give the folder of a run.");
  return load_config(run / run_file::kConfig);
}

Network network_with_weights(const fs::path& run, const std::optional<DeviceChoice>& device, Config& config) {
  config.init = weights_of_run(run).string();
  if (device) config.device = *device;
  if (config.device == DeviceChoice::kCpu) {  // maybe of a run on a GPU, whose ways a CPU has not
    config.step = config.step == StepChoice::kFused ? StepChoice::kAuto : config.step;
    config.precision = config.precision == Precision::kTf32 ? Precision::kFp32 : config.precision;
    config.gradient_all_reduce = GradientAllReduce::kFp32;
  }
  Network network = network_of_run(run, config);
  refuse_impossible_step(config, network);
  return network;
}

namespace {

// What was chosen on the device that trained the run; empty: nothing.
std::string choices_of(const fs::path& run) {
  if (!fs::exists(run / run_file::kResult)) return {};
  return read_result(run).device_choices.value_or("");
}

}  // namespace

void compute_as_the_run(const fs::path& run, const Config& config, const Network& network,
                        const std::function<Dataset()>& data,
                        const std::function<void(TrainingStep&, const Dataset&)>& use, Communicator& communicator) {
  const ProcessShare share = take_process_share({&config, 1}, communicator);  // before anything uses LibTorch
  const RunDevice device = start_device(share.gpu, config, communicator);
  at::set_num_threads(config.threads > 0 ? config.threads : share.threads);
  std::unique_ptr<Model> model;
  std::string choices;
  run_together(communicator, [&] {
    model = make_model(network, config);
    choices = choices_of(run);
  });
  const Dataset dataset = data();
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(config, model->store().layout());
  {
    const std::unique_ptr<TrainingStep> step =
        make_training_step(config, *model, *optimizer, dataset, communicator, device.runtime.get(), nullptr, choices);
    use(*step, dataset);
  }
  if (device.runtime) device.runtime->close();
}

}  // namespace fer_ddp
