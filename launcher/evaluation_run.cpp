#include "launcher/evaluation_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/run_layout.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "data/dataset.h"
#include "launcher/device_selection.h"
#include "launcher/run_reader.h"
#include "launcher/thread_share.h"
#include "model/weights.h"
#include "network/table.h"
#include "step/evaluator.h"
#include "step/step_choice.h"

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
  std::string text = fmt::format("{} images: loss {}, accuracy {}\n", evaluation.images, fixed_text(evaluation.loss),
                                 fixed_text(evaluation.accuracy()));
  if (evaluation.copies() > 0)
    text += fmt::format("{} of them no copies of training images: loss {}, accuracy {}\n",
                        evaluation.without_copies->images, fixed_text(evaluation.without_copies->loss),
                        fixed_text(evaluation.without_copies->accuracy()));
  text += fmt::format("\n{:<10}{:>11}{:>9}{:>8}{:>9}   predicted:\n", "class", "precision", "recall", "f1", "images");
  text += fmt::format("{:<50}", "");
  for (const std::string_view name : kExpressionNames) text += fmt::format("{:>9}", name);
  text += "\n";
  const ClassCounts images = evaluation.true_counts();
  for (int label = 0; label < kExpressionCount; ++label) {
    const auto row = static_cast<size_t>(label);
    text +=
        fmt::format("{:<10}{:>11}{:>9}{:>8}{:>9}   ", kExpressionNames[row], fixed_text(evaluation.precision(label)),
                    fixed_text(evaluation.recall(label)), fixed_text(evaluation.f1(label)), images[row]);
    for (const int64_t count : evaluation.confusion[row]) text += fmt::format("{:>9}", count);
    text += "\n";
  }
  return text;
}

// Evaluates by the step that the run trained with, so that the numbers are the run's own.
Evaluation evaluate_by_step(const EvaluationRequest& request, const Config& config, const Network& network,
                            const fs::path& shards, Session& session) {
  Communicator& communicator = session.communicator();
  const int fair = take_thread_share(communicator);
  const ProcessGpu gpu = open_gpu({&config, 1}, communicator);  // before anything uses LibTorch
  const RunDevice device = start_device(gpu, config, communicator);
  at::set_num_threads(config.threads > 0 ? config.threads : fair);
  std::unique_ptr<Model> model;
  run_together(communicator, [&] { model = make_model(network, config); });
  const Dataset dataset = load_dataset(shards, communicator);
  const Split split = parse_split(request.split);
  run_together(communicator, [&] {
    if (dataset.split(split).size() == 0)
      throw user_error(fmt::format("{}: no images in the split {}", shards.string(), request.split),
                       "Choose another one by --split, or other shards by --data.");
  });
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(config, model->store().layout());
  Evaluation evaluation;
  {
    const std::unique_ptr<TrainingStep> step =
        make_training_step(config, *model, *optimizer, dataset, communicator, device.runtime.get());
    evaluation = evaluate_views(*step, dataset, split, communicator, config);
  }
  if (device.runtime) device.runtime->close();
  return evaluation;
}

}  // namespace

int evaluate_run(const EvaluationRequest& request, Session& session) {
  Config config;
  Network network;
  fs::path shards;
  run_together(session.communicator(), [&] {
    if (!holds_run(request.run))
      throw user_error(fmt::format("{}: holds no run (no config.json)", request.run.string()),
                       "Give the folder of a run.");
    config = load_config(request.run / run_file::kConfig);
    shards = shards_to_use(request, config);
    config.init = weights_of_run(request.run).string();
    if (request.device) config.device = *request.device;
    network = network_of_run(request.run, config);
    refuse_impossible_step(config, network);
  });
  const Evaluation evaluation = evaluate_by_step(request, config, network, shards, session);
  run_on_rank_0(session.communicator(),
                [&] { print_result(request.json ? evaluation_to_json(evaluation).dump() + "\n" : table(evaluation)); });
  return 0;
}

}  // namespace fer_ddp
