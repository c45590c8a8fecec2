#include "launcher/evaluation_run.h"

#include <fmt/format.h>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "data/dataset.h"
#include "launcher/finished_run.h"
#include "launcher/run_reader.h"
#include "step/evaluator.h"

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

Dataset dataset_to_evaluate(const EvaluationRequest& request, const fs::path& shards, Split split,
                            Communicator& communicator) {
  Dataset dataset = load_dataset(shards, communicator);
  run_together(communicator, [&] {
    if (dataset.split(split).size() == 0)
      throw user_error(fmt::format("{}: no images in the split {}", shards.string(), request.split),
                       "Choose another one by --split, or other shards by --data.");
  });
  return dataset;
}

}  // namespace

int evaluate_run(const EvaluationRequest& request, Session& session) {
  Communicator& communicator = session.communicator();
  Config config;
  Network network;
  fs::path shards;
  run_together(communicator, [&] {
    config = config_of_run(request.run);
    shards = shards_to_use(request, config);
    network = network_with_weights(request.run, request.device, config);
  });
  const Split split = parse_split(request.split);
  Evaluation evaluation;
  compute_as_the_run(
      request.run, config, network, [&] { return dataset_to_evaluate(request, shards, split, communicator); },
      [&](TrainingStep& step, const Dataset& dataset) {
        evaluation = evaluate_views(step, dataset, split, communicator, config);
      },
      communicator);
  run_on_rank_0(communicator,
                [&] { print_result(request.json ? evaluation_to_json(evaluation).dump() + "\n" : table(evaluation)); });
  return 0;
}

}  // namespace fer_ddp
