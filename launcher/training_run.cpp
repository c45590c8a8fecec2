#include "launcher/training_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>

#include "comm/agreement.h"
#include "comm/consistency.h"
#include "core/atomic_file.h"
#include "core/background_writer.h"
#include "core/build_hash.h"
#include "core/error.h"
#include "core/host.h"
#include "core/json_text.h"
#include "core/run_layout.h"
#include "core/run_result.h"
#include "core/text.h"
#include "data/dataset.h"
#include "launcher/device_selection.h"
#include "launcher/kernel_profile.h"
#include "launcher/one_run.h"
#include "launcher/profile.h"
#include "launcher/resume.h"
#include "launcher/run_data.h"
#include "launcher/run_observers.h"
#include "launcher/run_results.h"
#include "launcher/run_services.h"
#include "launcher/run_teachers.h"
#include "launcher/thread_share.h"
#include "launcher/training_data.h"
#include "model/weights.h"
#include "network/table.h"
#include "step/step_choice.h"
#include "train/stop_signal.h"
#include "train/trainer.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

void refuse_impossible(const Config& config, Session& session) {
  refuse_singletons_under_slurm(session.communicator().size(), session.log);
  require_data(config);
}

std::vector<RankPlace> gather_places(Communicator& communicator, const RunDevice& device, int threads) {
  const std::string cpu = fmt::format("cpu, {} thread{}", threads, threads == 1 ? "" : "s");
  const nlohmann::json own = {host_name(), device.runtime ? device.name : cpu};
  std::vector<RankPlace> places;
  for (const std::string& text : communicator.all_gather(json_text(own))) {
    const auto place = nlohmann::json::parse(text);
    places.push_back({static_cast<int>(places.size()), place[0].get<std::string>(), place[1].get<std::string>()});
  }
  return places;
}

void say_copies(const Dataset& dataset, RunLog& log) {
  const size_t validation = dataset.copies(Split::kValidation).size();
  const size_t test = dataset.copies(Split::kTest).size();
  if (validation + test == 0) return;
  log.info("copies",
           fmt::format("{} test and {} validation images are exact copies of training images; the test score is also "
                       "given without them",
                       test, validation),
           {{"test", test}, {"validation", validation}});
}

void say_what_starts(const Config& config, const Dataset& dataset, const std::vector<RankPlace>& places, RunLog& log) {
  const auto rows = [&](Split split) { return grouped(dataset.split(split).size()); };
  log.info("start",
           fmt::format("{}{} on {} rank{} ({}), {} training, {} validation, {} test images, global batch {}",
                       log.shares_terminal() ? "" : config.name + ": ", config.model, places.size(),
                       places.size() == 1 ? "" : "s", places.front().device, rows(Split::kTrain),
                       rows(Split::kValidation), rows(Split::kTest), config.batch_size),
           {{"world_size", places.size()}, {"host", places.front().host}, {"config", config_to_json(config)}});
  if (!config.distill_from.empty())
    log.info("teachers", fmt::format("a share of {} of the loss is against the mean prediction of {}",
                                     config.distill_weight, fmt::join(config.distill_from, ", ")));
  say_copies(dataset, log);
  if (const std::string reason = precision_fallback(config);
      places.front().device.starts_with("cpu") && !reason.empty())
    log.info("autograd", reason + ": the step is autograd");
  if (dataset.split(Split::kValidation).size() == 0)
    log.warning(
        "no_validation",
        "there are no validation images: early stopping and the plateau have nothing to look at, and no epoch is "
        "the best");
}

// Tells people and programs that the run stopped on request and can go on.
int conclude_interrupted(const TrainingState& state, const RunRequest& request, StatusBoard& board, RunLog& log) {
  board.update([](StatusSnapshot& status) { status.stop_reason = stop_reason_name(StopReason::kStopRequested); });
  log.info("stopped",
           fmt::format("stopped at epoch {}, step {} after a checkpoint{}", state.epoch + 1, state.step,
                       request.of_a_sweep ? "" : ": run again with --resume to go on"),
           {{"epoch", state.epoch}, {"step", state.step}});
  return kExitStoppedAfterCheckpoint;
}

// On every rank alike, though rank 0 alone prints it: peak is measured under the same load.
std::string profile_text(const Trainer& trainer, DeviceRuntime* device, Precision precision) {
  KernelClock* clock = device == nullptr ? nullptr : device->kernel_clock();
  if (clock != nullptr)
    return kernel_table(trainer.kernel_times(), trainer.steps_run(), clock->peaks(precision)) +
           checkpoint_line(trainer.checkpoint_times());
  return profile_table(trainer.pass_times(), trainer.steps_run(), measured_peak()) +
         checkpoint_line(trainer.checkpoint_times());
}

int run_trainer(const Config& config, const RunRequest& request, const Dataset& dataset, Model& model,
                Teachers* teachers, const std::vector<RankPlace>& places, DeviceRuntime* device,
                const RunSurroundings& surroundings, Session& session) {
  Communicator& communicator = session.communicator();
  RunClaim* const claim = surroundings.claim;
  const std::string started = timestamp_now();
  const PublishCheck check = claim != nullptr ? claim->check() : PublishCheck();
  StatusBoard board(
      {.run = config.name, .epochs = config.epochs, .learning_rate = config.learning_rate, .ranks = places});
  BackgroundWriter writer;
  std::vector<std::unique_ptr<TrainingObserver>> observers;
  Trainer trainer(config, model,
                  {.communicator = communicator,
                   .dataset = dataset,
                   .checkpoints = checkpoints_of(config, check),
                   .writer = writer,
                   .stop_requested =
                       [&] {
                         if (claim != nullptr) claim->require_as_last_seen();
                         return surroundings.stop_requested() || board.stop_requested();
                       },
                   .device = device,
                   .teachers = teachers});
  if (request.existing == ExistingRun::kResume) resume_training(trainer, config, check, session);
  if (const std::string engine = trainer.computed_by(); !engine.empty())
    session.log.info("engine", "the step is computed by " + engine);
  std::optional<RunServices> services;
  run_on_rank_0(communicator, [&] {
    services.emplace(config, board);
    claim->begin();
    write_file_atomically(fs::path(config.output) / run_file::kNetwork, network_to_json(model.network()).dump(2) + "\n",
                          check);
    if (teachers != nullptr) write_teachers(config, *teachers, check);
    observers = make_run_observers(config, session.log, board, trainer.state(), check, writer);
    for (const auto& observer : observers) trainer.add_observer(*observer);
    services->publish(*claim, session.log);
  });
  const TrainingOutcome outcome = trainer.run();
  if (services) services->announce_end();
  if (request.profile) session.log.info("profile", profile_text(trainer, device, config.precision));
  const RunResult result = result_of(trainer, outcome, model, places, started);
  int exit_code = 0;
  if (outcome.interrupted) {
    exit_code = conclude_interrupted(trainer.state(), request, board, session.log);
  } else {
    board.update([&result](StatusSnapshot& status) { status.stop_reason = result.stop_reason; });
    run_on_rank_0(communicator, [&] { write_results(config, model, dataset, outcome, result, check, session.log); });
  }
  board.update([](StatusSnapshot& status) { status.phase = RunPhase::kDone; });
  if (!has_diverged(result)) return exit_code;
  const AgreedError problem = diverged(config.output, result);
  session.log.error("diverged", problem.message(), {{"epoch", trainer.state().epoch}, {"step", trainer.state().step}});
  return problem.exit_code();
}

}  // namespace

ProcessShare take_process_share(std::span<const Config> runs, Communicator& communicator) {
  ProcessGpu gpu = open_gpu(runs, communicator);
  return {.gpu = std::move(gpu), .threads = take_thread_share(communicator)};
}

Network provide_network(const Config& config, ExistingRun existing, Communicator& communicator) {
  std::string table;
  run_on_rank_0(communicator, [&] {
    const bool resumed = existing == ExistingRun::kResume;
    table = network_to_json(resumed ? network_of_run(config.output, config) : configured_network(config)).dump();
  });
  Network network = parse_network(broadcast_text(communicator, table), config.model);
  run_together(communicator, [&] { refuse_impossible_step(config, network); });
  return network;
}

int train_claimed_run(const Config& config, const RunRequest& request, const Network& network,
                      const RunSurroundings& surroundings, Session& session) {
  Communicator& communicator = session.communicator();
  const RunDevice device = start_device(surroundings.share.gpu, config, communicator);
  if (device.runtime && request.profile) device.runtime->keep_kernel_times();
  const int threads = config.threads > 0 ? config.threads : surroundings.share.threads;
  at::set_num_threads(threads);
  const std::vector<RankPlace> places = gather_places(communicator, device, threads);
  const std::unique_ptr<Teachers> teachers = provide_teachers(config, request.existing, communicator);
  const Dataset dataset = surroundings.data(threads);
  std::unique_ptr<Model> model;
  run_together(communicator, [&] { model = make_model(network, config); });
  require_agreement(communicator, {{"set of shards", dataset.fingerprint()},
                                   {"network", network_hash(model->network())},
                                   {"model", model->description()},
                                   {"set of teachers", teachers ? teachers->hash() : std::string()}});
  say_what_starts(config, dataset, places, session.log);
  const int exit_code = run_trainer(config, request, dataset, *model, teachers.get(), places, device.runtime.get(),
                                    surroundings, session);
  if (device.runtime) device.runtime->close();
  return exit_code;
}

int train_run(const Config& config, const RunRequest& request, Session& session) {
  const ExistingRun existing = request.existing;
  const StopSignal signal;  // from now on: what comes while data is read is heeded at the first step
  Communicator& communicator = session.communicator();
  run_together(communicator, [&] { refuse_impossible(config, session); });
  run_on_rank_0(communicator, [&] { check_run_services(config); });
  // The build comes first: another one may know other keys.
  require_agreement(communicator, {{"build", fer_ddp_build_hash}, {"configuration", config_to_json(config).dump()}});
  const Network network = provide_network(config, existing, communicator);
  std::optional<RunClaim> claim;  // outlives what is published
  std::array<int64_t, 1> over = {0};
  run_on_rank_0(communicator, [&] {
    claim.emplace(
        config, existing, [&] { return is_run_over(config, session.log); }, session.log);
    over[0] = claim->is_over() ? 1 : 0;
  });
  communicator.set_timeout(std::chrono::duration<double>(config.collective_timeout_seconds));  // claiming may take 15 s
  communicator.broadcast(std::as_writable_bytes(std::span(over)), 0);
  if (over[0] != 0) return 0;
  const ProcessShare share = take_process_share({&config, 1}, communicator);
  const auto load = [&](int threads) {
    const ShardPlaces places{.made = made_shards(config),
                             .to_make = unpublished_shards(config),
                             .reuse = existing == ExistingRun::kResume,
                             .threads = threads,
                             .check = claim ? claim->check() : PublishCheck()};
    return load_training_data(provide_shards(config, places, session), config, communicator);
  };
  return train_claimed_run(config, request, network,
                           {.share = share,
                            .stop_requested = [&signal] { return signal.raised(); },
                            .claim = claim ? &*claim : nullptr,
                            .data = load},
                           session);
}

}  // namespace fer_ddp
