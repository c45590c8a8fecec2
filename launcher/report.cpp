// `fer-ddp report RUN... [-o FILE.html]`: one self-contained page on a run, or on several compared.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "comm/agreement.h"
#include "core/error.h"
#include "launcher/command.h"
#include "launcher/run_reader.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct ReportOptions {
  std::vector<fs::path> runs;
  fs::path output;
};

fs::path output_of(const ReportOptions& options) {
  if (!options.output.empty()) {
    require_file_output(options.output);
    return options.output;
  }
  if (options.runs.size() == 1) return options.runs.front() / "report.html";
  throw user_error("a report on several runs needs a name", "Add -o FILE.html.");
}

int run_report(const ReportOptions& options, Session& session) {
  run_on_rank_0(session.communicator(), [&] {
    const fs::path output = output_of(options);
    write_report(options.runs, output, session.log);
    session.log.info("report", fmt::format("report: {}", output.string()), {{"file", output.string()}});
  });
  return 0;
}

}  // namespace

void add_report_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("report", "Makes one HTML page of a run, or of several compared");
  const auto options = std::make_shared<ReportOptions>();
  command->add_option("RUN", options->runs, "Folders of runs")->required();
  command->add_option("-o,--output", options->output, "The page to write; for one run RUN/report.html if not given");
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_report(*options, session); }; });
}

}  // namespace fer_ddp
