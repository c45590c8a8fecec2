#include "launcher/sweep_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "comm/agreement.h"
#include "comm/consistency.h"
#include "core/atomic_file.h"
#include "core/build_hash.h"
#include "core/error.h"
#include "core/host.h"
#include "core/json_reader.h"
#include "core/run_layout.h"
#include "core/standard_streams.h"
#include "launcher/one_run.h"
#include "launcher/run_reader.h"
#include "launcher/run_services.h"
#include "launcher/start_up_timeout.h"
#include "launcher/sweep_data.h"
#include "launcher/sweep_folder.h"
#include "launcher/training_data.h"
#include "status/address.h"
#include "status/status_file.h"
#include "train/stop_signal.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

// What stays the same from one run to the next.
struct SweepJob {
  const Sweep& sweep;
  const ProcessShare& share;
  const SweepData& data;
  const StopSignal& signal;
  std::string token{};                       // the job's own
  std::vector<ProcessIdentity> processes{};  // of its ranks
};

// A group's way from run to run.
class SweepGroup {
 public:
  // `number`: the group's among the job's.
  SweepGroup(const SweepJob& job, Communicator& group, int number)
      : job_(job),
        group_(group),
        number_(static_cast<size_t>(number)),
        log_(group.rank() != 0),
        folder_(job.sweep, job.token, [this](const std::string& wait) { log_.info("waiting", wait); }) {}

  // Collective over the group. Until the whole sweep is over: true; or the job is stopped.
  bool train_all() {
    for (;;) {
      group_.set_timeout(kStartUpTimeout);  // claiming may take 15 s
      const Step step = next_step();
      if (step.what == kDone || step.what == kStop) return step.what == kDone;
      if (step.what == kTrain) train(step);
    }
  }

 private:
  enum What : int64_t { kWait, kTrain, kDone, kStop };

  struct Step {
    int64_t what = kWait;
    int64_t run = 0;
    int64_t rung = 0;
    int64_t resumes = 0;  // there is something of it already
  };

  // A run's own, in the order in which they depend on each other; the claim is rank 0's.
  struct Own {
    Config config;
    RunLog log;
    std::optional<RunClaim> claim{};

    Own(Config its_config, bool silent, const std::string& name)
        : config(std::move(its_config)), log(silent, name + ": ") {}
  };

  Step next_step() {
    group_.answer_roll_call();  // a group of one waits for nobody otherwise
    std::array<int64_t, 1> stop = {stop_wanted() ? 1 : 0};
    group_.all_reduce(std::span<int64_t>(stop), ReduceOperation::kMax);
    std::array<Step, 1> step = {};
    run_on_rank_0(group_, [&] {
      if (stop[0] != 0) folder_.ask_to_stop();
      if (stop[0] != 0)
        step[0].what = kStop;
      else
        step[0] = choose();
    });
    group_.broadcast(std::as_writable_bytes(std::span(step)), 0);
    return step[0];
  }

  // Rank 0 alone. Waiting goes in small steps, in which the whole group takes part.
  Step choose() {
    constexpr std::chrono::milliseconds kPause{200};
    const SweepStanding standing = folder_.look();
    if (standing.done) return {.what = kDone};
    // Each from another place, so that not all want the same one.
    for (size_t i = 0; i < standing.open.size(); ++i) {
      const size_t run = standing.open[(i + number_) % standing.open.size()];
      const LeaseWatch::Seen seen = watch_.look(folder_.run(run));
      if (seen.held) require_alive(run, seen);
      if (seen.held || !claim(run, standing.rung)) continue;
      // Whoever stopped it has said so before letting it go.
      if (folder_.asked_to_stop()) {
        own_.reset();
        return {.what = kStop};
      }
      return {.what = kTrain,
              .run = static_cast<int64_t>(run),
              .rung = static_cast<int64_t>(standing.rung),
              .resumes = fs::exists(folder_.run(run) / run_file::kConfig) ? 1 : 0};
    }
    std::this_thread::sleep_for(kPause);
    return {};
  }

  // False: somebody else has it, or it is over by now.
  bool claim(size_t run, size_t rung) {
    make_own(run, rung);
    const auto is_over = [&] { return folder_.outcome(run).is_over(own_->config.epochs); };
    try {
      own_->claim.emplace(own_->config, ExistingRun::kResume, is_over, own_->log);
    } catch (const LeaseHeld&) {
      return false;
    } catch (const Error& error) {
      if (error.fault() != Fault::kUser) throw;
      fail(run, rung, error);
      return false;
    }
    return !own_->claim->is_over();
  }

  // The run's own trouble, by which it is over. Rank 0 alone.
  void fail(size_t run, size_t rung, const Error& error) {
    own_->log.error("failed", error.message());
    write_failure(folder_.failure(run), error, rung);
  }

  void make_own(size_t run, size_t rung) {
    own_ = std::make_unique<Own>(job_.sweep.config_of(run, rung), group_.rank() != 0, job_.sweep.runs[run].name);
  }

  // A rank of this job that is there, but has stopped renewing its lease, would be waited for without end.
  void require_alive(size_t run, const LeaseWatch::Seen& seen) const {
    const double limit = job_.sweep.runs[run].config.collective_timeout_seconds;
    if (!seen.holder || std::chrono::duration<double>(seen.unchanged).count() <= limit) return;
    const auto found = std::find(job_.processes.begin(), job_.processes.end(), seen.holder->process);
    if (found == job_.processes.end()) return;
    throw machine_error(
        fmt::format("rank {} on {} has not renewed its lease of {} for {:.0f} s", found - job_.processes.begin(),
                    seen.holder->host, folder_.run(run).string(), limit),
        "It hangs; see what runs on its host. collective_timeout_seconds sets this limit.");
  }

  [[nodiscard]] bool stop_wanted() {
    if (job_.signal.raised()) return true;
    if (group_.rank() != 0) return false;
    constexpr std::chrono::milliseconds kBetweenLooks{500};
    const Clock::time_point now = Clock::now();
    if (!stop_seen_ && now >= next_look_) {
      stop_seen_ = folder_.asked_to_stop();
      next_look_ = now + kBetweenLooks;
    }
    return stop_seen_ || stopped_;
  }

  void train(const Step& step) {
    const auto run = static_cast<size_t>(step.run);
    if (group_.rank() != 0) make_own(run, static_cast<size_t>(step.rung));
    group_.set_timeout(std::chrono::duration<double>(own_->config.collective_timeout_seconds));
    try {
      stopped_ = train_own(run, step.resumes != 0) == kExitStoppedAfterCheckpoint;
      run_on_rank_0(group_, [&] {
        if (stopped_) folder_.ask_to_stop();
      });
    } catch (const AgreedError& error) {
      if (error.fault() != Fault::kUser) throw;
      run_on_rank_0(group_, [&] { fail(run, static_cast<size_t>(step.rung), error); });
    }
    own_.reset();
  }

  int train_own(size_t run, bool resumes) {
    Session session{group_, own_->log};
    const ExistingRun existing = resumes ? ExistingRun::kResume : ExistingRun::kRefuse;
    run_on_rank_0(group_, [&] { check_run_services(own_->config); });
    const Network network = provide_network(own_->config, existing, group_);
    return train_claimed_run(own_->config, {.existing = existing, .of_a_sweep = true}, network,
                             {.share = job_.share,
                              .stop_requested = [this] { return stop_wanted(); },
                              .claim = own_->claim ? &*own_->claim : nullptr,
                              .data = [&](int) { return job_.data.of(run); }},
                             session);
  }

  const SweepJob& job_;
  Communicator& group_;
  size_t number_;
  RunLog log_;
  SweepFolder folder_;
  LeaseWatch watch_{};
  std::unique_ptr<Own> own_{};
  bool stopped_ = false;    // by whoever asked the run itself
  bool stop_seen_ = false;  // another group of the job has asked
  Clock::time_point next_look_{};
};

int count_groups(const Sweep& sweep, int ranks) {
  const int groups = sweep.groups > 0 ? sweep.groups : ranks / sweep.ranks_per_run;
  if (groups > 0 && ranks % groups == 0 && (sweep.groups > 0 || ranks % sweep.ranks_per_run == 0)) return groups;
  throw user_error(sweep.groups > 0
                       ? fmt::format("{} ranks cannot be divided into {} groups of one size", ranks, groups)
                       : fmt::format("{} ranks are no multiple of ranks_per_run, {}", ranks, sweep.ranks_per_run),
                   "Start as many ranks as make whole groups, or change the sweep's groups or ranks_per_run.");
}

// Groups of one host would take it from each other.
void require_free_port(const char* key, const std::optional<std::string>& address) {
  if (!address || parse_address(key, *address).port == 0) return;
  throw user_error(fmt::format("{} is {}: the runs of several groups cannot share one port", key, *address),
                   "Set port 0, which is any free one: each run's status.json says which.");
}

void refuse_impossible(const Sweep& sweep, int groups) {
  for (const SweepRun& run : sweep.runs) {
    require_data(run.config);
    if (groups == 1) continue;
    require_free_port("status_address", run.config.status_address);
    require_free_port("metrics_address", run.config.metrics_address);
  }
}

std::vector<Config> configurations(const Sweep& sweep) {
  std::vector<Config> configs;
  for (const SweepRun& run : sweep.runs) configs.push_back(run.config);
  return configs;
}

std::vector<ProcessIdentity> gather_processes(Communicator& communicator) {
  const ProcessIdentity own = this_process();
  const nlohmann::ordered_json text = {own.boot, own.pid_namespace, own.pid, own.start};
  std::vector<ProcessIdentity> processes;
  for (const std::string& gathered : communicator.all_gather(text.dump())) {
    const nlohmann::ordered_json json = parse_json(gathered);
    processes.push_back(
        {json[0].get<std::string>(), json[1].get<std::string>(), json[2].get<int64_t>(), json[3].get<std::string>()});
  }
  return processes;
}

// An error that the ranks of one group agree on ends the whole job: rank 0 of the group says it, and others wait for
// that.
bool train_in_group(const SweepJob& job, Communicator& group, int number, int groups) {
  try {
    return SweepGroup(job, group, number).train_all();
  } catch (const AgreedError& error) {
    if (groups == 1) throw;
    if (group.rank() == 0) throw Error(error.fault(), error.what(), error.advice());
    group.barrier();
    throw;
  }
}

bool train_in_groups(const SweepJob& job, int groups, Communicator& communicator) {
  const int ranks = communicator.size() / groups;
  const int number = communicator.rank() / ranks;
  const std::unique_ptr<Communicator> group = communicator.split(number);
  const bool done = train_in_group(job, *group, number, groups);
  group->close();
  std::array<int64_t, 1> stopped = {done ? 0 : 1};
  communicator.all_reduce(std::span<int64_t>(stopped), ReduceOperation::kMax);
  return stopped[0] == 0;
}

// The folder's lease while the job is made ready, and the folder itself where that fails and nothing is in it. Rank
// 0's.
class SetUp {
 public:
  explicit SetUp(const SweepFolder& folder, const fs::path& path) : path_(fs::weakly_canonical(fs::absolute(path))) {
    folder.require_own();
    made_ = topmost_missing(path_);
    lease_ = folder.lease();
    folder.forget_earlier_stops();
    folder.require_own();  // it may have changed until the lease was ours
  }
  SetUp(const SetUp&) = delete;
  SetUp& operator=(const SetUp&) = delete;
  ~SetUp() {
    lease_.reset();
    remove_empty_folders(path_, made_);
  }

 private:
  fs::path path_;
  fs::path made_{};
  std::unique_ptr<RunLease> lease_{};
};

std::string count_words(int count, const char* what) {
  return count == 0 ? std::string() : fmt::format(", {} {}", count, what);
}

// Of a run that was killed between its result and its end.
void tidy(const fs::path& run, RunLog& log) {
  if (!fs::exists(run / run_file::kResult)) return;
  if (!fs::exists(run / run_file::kLease) && fs::exists(run / run_file::kReport)) return;
  try {
    const RunLease lease(run);
    remove_unfinished(run);
    remove_status_file(run);
    const std::array<fs::path, 1> runs = {run};
    write_report(runs, run / run_file::kReport, log, [&] { lease.require(); });
  } catch (const LeaseHeld&) {  // it is about to end
  }
}

// Rank 0 alone.
int conclude(const Sweep& sweep, SweepFolder& folder, RunLog& log) {
  if (!folder.look().done) throw machine_error(sweep.output + ": its runs are not over any more");
  folder.forget_all_stops();
  for (size_t i = 0; i < sweep.runs.size(); ++i)
    if (!folder.outcome(i).failure) tidy(folder.run(i), log);
  const SweepComparison comparison = folder.write_results();
  print_result(comparison_table(comparison, sweep));
  log.info("sweep_done",
           fmt::format("{} runs{}{}\nreport: {}", comparison.runs, count_words(comparison.diverged, "diverged"),
                       count_words(comparison.failed, "had a configuration error"),
                       (fs::path(sweep.output) / run_file::kReport).string()));
  if (comparison.any_result()) return 0;
  return static_cast<int>(comparison.diverged > 0 ? Fault::kMachine : Fault::kUser);
}

}  // namespace

int run_sweep(const Sweep& given, Session& session) {
  const StopSignal signal;
  Communicator& communicator = session.communicator();
  Sweep sweep = given;
  int groups = 1;
  run_together(communicator, [&] {
    refuse_singletons_under_slurm(communicator.size(), session.log);
    groups = count_groups(sweep, communicator.size());
    refuse_impossible(sweep, groups);
  });
  require_agreement(communicator, {{"build", fer_ddp_build_hash}});
  const ProcessShare share = take_process_share(configurations(sweep), communicator);
  std::string token;
  if (communicator.rank() == 0) token = new_holder().token;
  token = broadcast_text(communicator, token);
  SweepFolder folder(sweep, token, [&](const std::string& wait) { session.log.info("waiting", wait); });
  std::optional<SetUp> set_up;
  run_on_rank_0(communicator, [&] { set_up.emplace(folder, sweep.output); });
  const SweepData data = load_sweep_data(sweep, folder, share.threads, session);
  run_on_rank_0(communicator, [&] {
    folder.require_own();  // now that the data is known
    if (holds_sweep(sweep.output)) keep_checksums(read_sweep(sweep.output), sweep);
    folder.write_sweep();
    set_up.reset();
  });
  session.log.info("sweep_start",
                   fmt::format("{}: {} runs, {} at a time, {} rank{} each", sweep.name, sweep.runs.size(), groups,
                               communicator.size() / groups, communicator.size() == groups ? "" : "s"));
  const SweepJob job{.sweep = sweep,
                     .share = share,
                     .data = data,
                     .signal = signal,
                     .token = token,
                     .processes = gather_processes(communicator)};
  const bool done = train_in_groups(job, groups, communicator);
  std::array<int64_t, 1> exit_code = {kExitStoppedAfterCheckpoint};
  run_on_rank_0(communicator, [&] {
    folder.forget_the_stop();
    if (done)
      exit_code[0] = conclude(sweep, folder, session.log);
    else
      session.log.info("sweep_stopped", fmt::format("{}: stopped; run the same line again to go on", sweep.name));
  });
  communicator.broadcast(std::as_writable_bytes(std::span(exit_code)), 0);
  return static_cast<int>(exit_code[0]);
}

}  // namespace fer_ddp
