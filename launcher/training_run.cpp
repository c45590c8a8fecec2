#include "launcher/training_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>

#include "comm/agreement.h"
#include "comm/consistency.h"
#include "core/atomic_file.h"
#include "core/build_hash.h"
#include "core/error.h"
#include "core/host.h"
#include "core/json_text.h"
#include "core/run_layout.h"
#include "core/run_result.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/importer.h"
#include "data/preprocess.h"
#include "launcher/device_selection.h"
#include "launcher/profile.h"
#include "launcher/resume.h"
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

// The network to train; a run that is resumed goes on with the table that it wrote. Rank 0 reads it for all.
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

// Takes this rank's share of the machine's cores; returns how many threads it runs.
int place_threads(const Config& config, Communicator& communicator) {
  const int fair = take_thread_share(communicator);
  const int threads = config.threads > 0 ? config.threads : fair;
  at::set_num_threads(threads);
  return threads;
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

// The shards in the run's folder stand for the input that they were made from, which may be gone by now; for
// another one they do not.
void require_source(const fs::path& made, const fs::path& input) {
  if (!fs::exists(input)) return;
  if (is_source(read_manifest(made).source, input)) return;
  throw user_error(
      fmt::format("{}: is not the input that the run's data in {} was made from", input.string(), made.string()),
      fmt::format("Resume it with its own data; or remove {} to have it made anew.", made.string()));
}

// The shards to learn from: the config's own, or OUTPUT/shards, made from its input by the first run and reused on
// resume.
fs::path provide_shards(const Config& config, ExistingRun existing, int threads, const PublishCheck& check,
                        Session& session) {
  enum Source : int64_t { kGiven, kMade, kToMake };
  std::array<int64_t, 1> source = {kGiven};
  run_on_rank_0(session.communicator(), [&] {
    if (is_shard_folder(config.data)) return;
    const fs::path made = made_shards(config);
    source[0] = existing == ExistingRun::kResume && is_shard_folder(made) ? kMade : kToMake;
    if (source[0] == kMade) require_source(made, config.data);
  });
  session.communicator().broadcast(std::as_writable_bytes(std::span(source)), 0);
  if (source[0] == kGiven) return config.data;
  if (source[0] == kMade) return made_shards(config);
  preprocess({.input = config.data,
              .output = unpublished_shards(config),
              .split_rule = config.split,
              .overwrite = true,
              .threads = threads,
              .check = check},
             session.communicator(), session.log);
  return unpublished_shards(config);
}

Dataset load_training_data(const Config& config, ExistingRun existing, int threads, const PublishCheck& check,
                           Session& session) {
  const fs::path shards = provide_shards(config, existing, threads, check, session);
  Dataset dataset = load_dataset(shards, session.communicator());
  run_together(session.communicator(), [&] {
    require_training_rows(dataset.split(Split::kTrain).size(), config);
    require_split_rule(dataset.manifest(), config);
  });
  return dataset;
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
           fmt::format("{}: {} on {} rank{} ({}), {} training, {} validation, {} test images, global batch {}",
                       config.name, config.model, places.size(), places.size() == 1 ? "" : "s", places.front().device,
                       rows(Split::kTrain), rows(Split::kValidation), rows(Split::kTest), config.batch_size),
           {{"world_size", places.size()}, {"host", places.front().host}, {"config", config_to_json(config)}});
  if (!config.distill_from.empty())
    log.info("teachers", fmt::format("a share of {} of the loss is against the mean prediction of {}",
                                     config.distill_weight, fmt::join(config.distill_from, ", ")));
  say_copies(dataset, log);
  if (dataset.split(Split::kValidation).size() == 0)
    log.warning(
        "no_validation",
        "there are no validation images: early stopping and the plateau have nothing to look at, and no epoch is "
        "the best");
}

// Tells people and programs that the run stopped on request and can go on.
int conclude_interrupted(const TrainingState& state, StatusBoard& board, RunLog& log) {
  board.update([](StatusSnapshot& status) { status.stop_reason = stop_reason_name(StopReason::kStopRequested); });
  log.info("stopped",
           fmt::format("stopped at epoch {}, step {} after a checkpoint: run again with --resume to go on",
                       state.epoch + 1, state.step),
           {{"epoch", state.epoch}, {"step", state.step}});
  return kExitStoppedAfterCheckpoint;
}

// On every rank alike, though rank 0 alone prints it: peak is measured under the same load.
std::string profile_text(const Trainer& trainer) {
  return profile_table(trainer.pass_times(), trainer.steps_run(), measured_peak());
}

// `claim` is rank 0's; the others have none.
int run_trainer(const Config& config, const RunRequest& request, const Dataset& dataset, Model& model,
                Teachers* teachers, const std::vector<RankPlace>& places, DeviceRuntime* device,
                const StopSignal& signal, RunClaim* claim, Session& session) {
  Communicator& communicator = session.communicator();
  const std::string started = timestamp_now();
  const PublishCheck check = claim != nullptr ? claim->check() : PublishCheck();
  StatusBoard board(
      {.run = config.name, .epochs = config.epochs, .learning_rate = config.learning_rate, .ranks = places});
  std::vector<std::unique_ptr<TrainingObserver>> observers;
  Trainer trainer(config, model,
                  {.communicator = communicator,
                   .dataset = dataset,
                   .checkpoints = checkpoints_of(config, check),
                   .stop_requested =
                       [&] {
                         if (claim != nullptr) claim->require_as_last_seen();
                         return signal.raised() || board.stop_requested();
                       },
                   .device = device,
                   .teachers = teachers});
  if (request.existing == ExistingRun::kResume) resume_training(trainer, config, check, session);
  std::optional<RunServices> services;
  run_on_rank_0(communicator, [&] {
    services.emplace(config, board);
    claim->begin();
    write_file_atomically(fs::path(config.output) / run_file::kNetwork, network_to_json(model.network()).dump(2) + "\n",
                          check);
    if (teachers != nullptr) write_teachers(config, *teachers, check);
    observers = make_run_observers(config, session.log, board, trainer.state(), check);
    for (const auto& observer : observers) trainer.add_observer(*observer);
    services->publish(*claim, session.log);
  });
  const TrainingOutcome outcome = trainer.run();
  if (services) services->announce_end();
  if (request.profile) session.log.info("profile", profile_text(trainer));
  const RunResult result = result_of(trainer, outcome, model, places, started);
  int exit_code = 0;
  if (outcome.interrupted) {
    exit_code = conclude_interrupted(trainer.state(), board, session.log);
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
  const RunDevice device = open_device(config, session);  // before anything uses LibTorch
  const int threads = place_threads(config, communicator);
  const std::vector<RankPlace> places = gather_places(communicator, device, threads);
  const std::unique_ptr<Teachers> teachers = provide_teachers(config, existing, communicator);
  const Dataset dataset =
      load_training_data(config, existing, threads, claim ? claim->check() : PublishCheck(), session);
  std::unique_ptr<Model> model;
  run_together(communicator, [&] { model = make_model(network, config); });
  require_agreement(communicator, {{"set of shards", dataset.fingerprint()},
                                   {"network", network_hash(model->network())},
                                   {"model", model->description()},
                                   {"set of teachers", teachers ? teachers->hash() : std::string()}});
  say_what_starts(config, dataset, places, session.log);
  const int exit_code = run_trainer(config, request, dataset, *model, teachers.get(), places, device.runtime.get(),
                                    signal, claim ? &*claim : nullptr, session);
  if (device.runtime) device.runtime->close();
  return exit_code;
}

}  // namespace fer_ddp
