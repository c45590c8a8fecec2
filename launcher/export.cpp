// `fer-ddp export RUN --format FORMAT`: a run's final weights and network as one file for other tools.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/run_layout.h"
#include "export/onnx_file.h"
#include "launcher/command.h"
#include "launcher/run_reader.h"
#include "launcher/training_commands.h"
#include "network/table.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct Format {
  const char* name;
  const char* extension;
};
constexpr std::array<Format, 3> kFormats = {
    {{"safetensors", ".safetensors"}, {"onnx", ".onnx"}, {"torchscript", ".pt"}}};

struct ExportOptions {
  fs::path run;
  std::string format;
  fs::path output;
};

// Where the export goes; if not given, into the working directory, by the name of the run's folder.
fs::path output_of(const ExportOptions& options) {
  if (!options.output.empty()) {
    require_file_output(options.output);
    return options.output;
  }
  const auto* const format =
      std::find_if(kFormats.begin(), kFormats.end(), [&](const Format& each) { return options.format == each.name; });
  const fs::path folder = fs::weakly_canonical(options.run);
  return folder.filename().string() + format->extension;
}

ExportedNetwork read_exported(const fs::path& run) {
  if (!holds_run(run))
    throw user_error(fmt::format("{}: holds no run (no config.json)", run.string()), "Give the folder of a run.");
  const fs::path weights = weights_of_run(run);
  ExportedNetwork exported{.network = network_of_run(run, load_config(run / run_file::kConfig)),
                           .weights = decode_safetensors(read_file(weights), weights.string())};
  require_weights_of_network(exported, weights.string());
  return exported;
}

int run_export(const ExportOptions& options, Session& session) {
  const bool torchscript = options.format == "torchscript";
  auto* write = options.format == "onnx" ? &write_onnx : &write_weights;
  if (torchscript) write = load_training_commands(session.communicator()).export_torchscript;
  run_on_rank_0(session.communicator(), [&] {
    const fs::path output = output_of(options);
    const ExportedNetwork exported = read_exported(options.run);
    write_file_atomically(output, [&](const ByteSink& to) { write(exported, to); });
    session.log.info("export", fmt::format("{}: {}", options.format, output.string()), {{"file", output.string()}});
  });
  return 0;
}

}  // namespace

void add_export_command(CLI::App& app, Action& chosen) {
  CLI::App* command =
      app.add_subcommand("export", "Writes a finished run's network and weights as one file for other tools");
  const auto options = std::make_shared<ExportOptions>();
  command->add_option("RUN", options->run, "The run's folder")->required();
  std::vector<std::string> names;
  names.reserve(kFormats.size());
  for (const Format& format : kFormats) names.emplace_back(format.name);
  command->add_option("--format", options->format, "What to write")->required()->check(CLI::IsMember(names));
  command->add_option("-o,--output", options->output,
                      "The file; if not given, of the run's name, in the working directory");
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_export(*options, session); }; });
}

}  // namespace fer_ddp
