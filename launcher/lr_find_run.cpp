#include "launcher/lr_find_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "comm/agreement.h"
#include "comm/consistency.h"
#include "core/atomic_file.h"
#include "core/augmentation_options.h"
#include "core/build_hash.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/learning_rate_curve.h"
#include "core/standard_streams.h"
#include "data/preprocess.h"
#include "data/staging_folder.h"
#include "launcher/one_run.h"
#include "launcher/run_data.h"
#include "launcher/run_reader.h"
#include "launcher/run_teachers.h"
#include "report/learning_rate_chart.h"
#include "train/range_test.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// "seed_cnn, 3 trainings of 300 steps of 32 images".
std::string words_of(const Config& config, const RangeTestOptions& options, int64_t rows) {
  return fmt::format("{}, {} training{} of {} steps of {} images", config.model, options.restarts,
                     options.restarts == 1 ? "" : "s", options.steps, std::min<int64_t>(config.batch_size, rows));
}

bool is_shard_folder_for_all(const fs::path& data, Communicator& communicator) {
  std::string given;
  run_on_rank_0(communicator, [&] { given = is_shard_folder(data) ? "shards" : ""; });
  return !broadcast_text(communicator, given).empty();
}

// Shards that are made of an input file stand beside the place of the run's folder while they are read, and are gone
// then.
Dataset load_data(const Config& config, int threads, Session& session) {
  Communicator& communicator = session.communicator();
  if (is_shard_folder_for_all(config.data, communicator)) return load_training_data(config.data, config, communicator);
  const ScratchFolder scratch(config.output + ".lr-find", communicator);
  const fs::path shards = scratch.path() / "shards";
  preprocess({.input = config.data, .output = shards, .split_rule = config.split, .threads = threads}, communicator,
             session.log);
  return load_training_data(shards, config, communicator);
}

void say_what_starts(const Config& config, const RangeTestOptions& options, int64_t rows,
                     const Communicator& communicator, RunLog& log) {
  const int ranks = communicator.size();
  log.info("lr_find", fmt::format("{}: learning rate {:g} to {:g}, {} on {} rank{}", config.name, options.from,
                                  options.to, words_of(config, options, rows), ranks, ranks == 1 ? "" : "s"));
}

// Targets that teachers or mixing make are not those of the classes alone; mixed ones are on the average.
RangeTestReport report_of(const Config& config, const RangeTestOptions& options, const Dataset& dataset,
                          LearningRateCurve curve) {
  RangeTestReport report{.run = config.name,
                         .words = words_of(config, options, dataset.split(Split::kTrain).size()),
                         .learning_rate = config.learning_rate,
                         .curve = std::move(curve)};
  if (config.distill_from.empty())
    report.constant_answer = constant_answer_loss(dataset.manifest().class_counts[Split::kTrain],
                                                  config.label_smoothing * image_recipe(config, 0).smoothing_share);
  report.advice = advice_of(report.curve, report.constant_answer);
  return report;
}

nlohmann::ordered_json to_json(const RangeTestReport& report, const RangeTestOptions& options, const Config& config) {
  const std::string warning = warning_of(report);
  nlohmann::ordered_json document = {
      {"name", config.name},
      {"batch_size", config.batch_size},
      {"learning_rate", config.learning_rate},
      {"from", options.from},
      {"to", options.to},
      {"steps", options.steps},
      {"restarts", options.restarts},
      {"warning", warning.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(warning)}};
  document.update(advice_to_json(report.curve, report.advice, report.constant_answer));
  return document;
}

void publish(const RangeTestReport& report, const RangeTestOptions& options, const Config& config,
             const LrFindRequest& request, RunLog& log) {
  if (!request.output.empty()) {
    write_file_atomically(request.output, range_test_svg(report));
    log.info("lr_find", fmt::format("picture: {}", request.output.string()), {{"file", request.output.string()}});
  }
  print_result(request.json ? json_text(to_json(report, options, config)) + "\n" : range_test_text(report));
  if (config.warm_up_epochs > 0)
    log.info("lr_find", "the test has no warm-up: with the configuration's, a higher rate may do");
}

}  // namespace

int find_learning_rate(const Config& config, const LrFindRequest& request, Session& session) {
  Communicator& communicator = session.communicator();
  require_agreement(communicator, {{"build", fer_ddp_build_hash}, {"configuration", config_to_json(config).dump()}});
  communicator.set_timeout(std::chrono::duration<double>(config.collective_timeout_seconds));
  run_on_rank_0(communicator, [&] {
    if (!request.output.empty()) require_picture_output(request.output, ".svg");
  });
  const Network network = provide_network(config, ExistingRun::kRefuse, communicator);
  const ProcessShare share = take_process_share({&config, 1}, communicator);  // before anything uses LibTorch
  const RunDevice device = start_device(share.gpu, config, communicator);
  const int threads = config.threads > 0 ? config.threads : share.threads;
  at::set_num_threads(threads);
  const std::unique_ptr<Teachers> teachers = provide_teachers(config, ExistingRun::kRefuse, communicator);
  const Dataset dataset = load_data(config, threads, session);
  const RangeTestOptions options{
      .steps = request.steps, .from = request.from, .to = request.to, .restarts = request.restarts};
  say_what_starts(config, options, dataset.split(Split::kTrain).size(), communicator, session.log);
  const LearningRateCurve curve = run_range_test(
      config, network, options,
      {.communicator = communicator, .dataset = dataset, .device = device.runtime.get(), .teachers = teachers.get()});
  if (device.runtime) device.runtime->close();
  run_on_rank_0(communicator,
                [&] { publish(report_of(config, options, dataset, curve), options, config, request, session.log); });
  return 0;
}

}  // namespace fer_ddp
