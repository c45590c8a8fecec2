// How a subcommand joins the program: it adds its options to the command line, and hands back what to do once they are
// parsed. The launcher starts MPI where the process was launched by it, parses, runs the action on every rank, and
// turns an Error into one message on rank 0 and the same exit code on all ranks.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/mpi_runtime.h"
#include "core/choices.h"
#include "core/run_log.h"

namespace fer_ddp {

struct Session {
  Communicator& ranks;
  RunLog& log;  // speaks on rank 0 alone

  [[nodiscard]] Communicator& communicator() const { return ranks; }
};

// `--set key=value` of the commands that read a configuration.
inline void add_override_option(CLI::App& command, std::vector<std::string>& overrides) {
  command.add_option("--set", overrides, "Override a key, as key=value (repeatable)")->expected(1)->take_all();
}

// `--device` of the commands that compute with a finished run.
inline void add_device_option(CLI::App& command, std::optional<DeviceChoice>& device) {
  command
      .add_option_function<std::string>(
          "--device", [&device](const std::string& word) { device = choice_of<DeviceChoice>(word); },
          "Where to compute, other than the run's own configuration says")
      ->check(CLI::IsMember(choice_words(DeviceChoice{})));
}

// Returns the process's exit code.
using Action = std::function<int(Session&)>;

// Each sets `chosen` when its subcommand was the one on the command line. One file each.
void add_train_command(CLI::App& app, Action& chosen);
void add_sweep_command(CLI::App& app, Action& chosen);
void add_preprocess_command(CLI::App& app, Action& chosen);
void add_synthesize_command(CLI::App& app, Action& chosen);
void add_verify_command(CLI::App& app, Action& chosen);
void add_augment_preview_command(CLI::App& app, Action& chosen);
void add_lr_find_command(CLI::App& app, Action& chosen);
void add_evaluate_command(CLI::App& app, Action& chosen);
void add_predict_command(CLI::App& app, Action& chosen);
void add_export_command(CLI::App& app, Action& chosen);
void add_replay_command(CLI::App& app, Action& chosen);
void add_report_command(CLI::App& app, Action& chosen);
void add_status_command(CLI::App& app, Action& chosen);
void add_stop_command(CLI::App& app, Action& chosen);
void add_config_command(CLI::App& app, Action& chosen);
void add_network_command(CLI::App& app, Action& chosen);

}  // namespace fer_ddp
