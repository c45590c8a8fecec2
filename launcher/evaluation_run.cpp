#include "launcher/evaluation_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/cpu_placement.h"
#include "core/error.h"
#include "data/dataset.h"
#include "launcher/run_reader.h"
#include "launcher/thread_share.h"
#include "model/weights.h"
#include "train/evaluator.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

Split parse_split(const std::string& name) {
  for (const Split split : kSplits)
    if (split_name(split) == name) return split;
  throw user_error(fmt::format("--split {}: expected train, validation or test", name));
}

fs::path shards_to_use(const EvaluationRequest& request, const Config& config) {
  if (!request.data.empty()) return request.data;
  if (const auto shards = shards_of_run(request.run, config_to_json(config))) return *shards;
  throw user_error(fmt::format("{}: the shards that the run learnt from are not there any more", request.run.string()),
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

}  // namespace

int evaluate_run(const EvaluationRequest& request, Session& session) {
  Communicator& communicator = session.communicator();
  const int threads = take_thread_share(communicator);
  Config config;
  fs::path shards;
  std::unique_ptr<Model> model;
  run_together(communicator, [&] {
    if (!holds_run(request.run))
      throw user_error(fmt::format("{}: holds no run (no config.json)", request.run.string()),
                       "Give the folder of a run.");
    config = load_config(request.run / "config.json");
    shards = shards_to_use(request, config);
    const fs::path weights = request.run / "model.safetensors";
    if (!fs::exists(weights))
      throw user_error(fmt::format("{}: not there: the run has not finished", weights.string()),
                       "Finish it with --resume first.");
    config.init = weights.string();
    at::set_num_threads(threads);
    keep_freed_memory();
    model = make_model(config);
  });
  const Dataset dataset = load_dataset(shards, communicator);
  const Evaluation evaluation = evaluate(*model, dataset.split(parse_split(request.split)), config, communicator);
  if (session.log.silent()) return 0;
  if (request.json) {
    fmt::print("{}\n", evaluation_to_json(evaluation).dump());
  } else {
    fmt::print("{}", table(evaluation));
  }
  return 0;
}

}  // namespace fer_ddp
