// How `status` and `stop` come in at a run's service: by what the command line says, and, with --run, by what the run
// itself left in RUN/status.json, so that whoever may read the run's folder and its token need not say anything.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "status/service_security.h"
#include "status/status_file.h"

namespace fer_ddp {

struct ServiceOptions {  // files; empty: not given
  std::string ca{};
  std::string certificate{};
  std::string key{};
  std::string server_name{};
  std::string token_file{};
};

void add_service_options(CLI::App& command, ServiceOptions& options);

// What the command line alone gives. Throws Error (the user's fault), naming option and file, if a file cannot be used.
[[nodiscard]] ServiceAccess access_by_options(const ServiceOptions& options);

// The same, with what is not given taken from the run: its own certificate is trusted, its token is read.
[[nodiscard]] ServiceAccess access_to_run(const StatusFile& run, const ServiceOptions& options);

}  // namespace fer_ddp
