// `fer-ddp evaluate RUN`: loss, accuracy, per-class scores and confusion matrix of a run's final weights.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/cpu_placement.h"
#include "core/error.h"
#include "data/dataset.h"
#include "launcher/command.h"
#include "launcher/output_folder.h"
#include "launcher/run_folder.h"
#include "launcher/thread_share.h"
#include "model/weights.h"
#include "train/evaluator.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct EvaluateOptions {
  fs::path run;
  std::string data;
  std::string split = "test";
  bool json = false;
};

Split parse_split(const std::string& name) {
  for (const Split split : kSplits)
    if (split_name(split) == name) return split;
  throw user_error(fmt::format("--split {}: expected train, validation or test", name));
}

fs::path shards_to_use(const EvaluateOptions& options, const Config& config) {
  if (!options.data.empty()) return options.data;
  if (const auto shards = shards_of_run(options.run, config_to_json(config))) return *shards;
  throw user_error(fmt::format("{}: the shards that the run learnt from are not there any more", options.run.string()),
                   "Name others by --data SHARDS.");
}

std::string table(const Evaluation& evaluation) {
  std::string text = fmt::format(
      "{} images: loss {:.4f}, accuracy {:.4f}\n\n{:<10}{:>11}{:>9}{:>8}{:>9}   predicted:\n", evaluation.images,
      evaluation.loss, evaluation.accuracy(), "class", "precision", "recall", "f1", "images");
  text += fmt::format("{:<50}", "");
  for (const std::string_view name : kExpressionNames) text += fmt::format("{:>9}", name);
  text += "\n";
  const ClassCounts images = evaluation.true_counts();
  for (int label = 0; label < kExpressionCount; ++label) {
    const auto row = static_cast<size_t>(label);
    text += fmt::format("{:<10}{:>11.4f}{:>9.4f}{:>8.4f}{:>9}   ", kExpressionNames[row], evaluation.precision(label),
                        evaluation.recall(label), evaluation.f1(label), images[row]);
    for (const int64_t count : evaluation.confusion[row]) text += fmt::format("{:>9}", count);
    text += "\n";
  }
  return text;
}

int run_evaluate(const EvaluateOptions& options, Session& session) {
  Communicator& communicator = session.communicator();
  const int threads = take_thread_share(communicator);
  Config config;
  fs::path shards;
  std::unique_ptr<Model> model;
  run_together(communicator, [&] {
    if (!holds_run(options.run))
      throw user_error(fmt::format("{}: holds no run (no config.json)", options.run.string()),
                       "Give the folder of a run.");
    config = load_config(options.run / "config.json");
    shards = shards_to_use(options, config);
    const fs::path weights = options.run / "model.safetensors";
    if (!fs::exists(weights))
      throw user_error(fmt::format("{}: not there: the run has not finished", weights.string()),
                       "Finish it with --resume first.");
    config.init = weights.string();
    at::set_num_threads(threads);
    keep_freed_memory();
    model = make_model(config);
  });
  const Dataset dataset = load_dataset(shards, communicator);
  const Evaluation evaluation = evaluate(*model, dataset.split(parse_split(options.split)), config, communicator);
  if (session.log.silent()) return 0;
  if (options.json) {
    fmt::print("{}\n", evaluation_to_json(evaluation).dump());
  } else {
    fmt::print("{}", table(evaluation));
  }
  return 0;
}

}  // namespace

void add_evaluate_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("evaluate", "Evaluates a finished run's weights on a split");
  const auto options = std::make_shared<EvaluateOptions>();
  command->add_option("RUN", options->run, "The run's folder")->required();
  command->add_option("--data", options->data, "Shards other than the run's own");
  command->add_option("--split", options->split, "Which split")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_evaluate(*options, session); }; });
}

}  // namespace fer_ddp
