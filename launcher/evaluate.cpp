// `fer-ddp evaluate RUN`: loss, accuracy, per-class scores and confusion matrix of a run's final weights.
#include <memory>

#include "launcher/command.h"
#include "launcher/training_commands.h"

namespace fer_ddp {

void add_evaluate_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("evaluate", "Evaluates a finished run's weights on a split");
  const auto request = std::make_shared<EvaluationRequest>();
  command->add_option("RUN", request->run, "The run's folder")->required();
  command->add_option("--data", request->data, "Shards other than the run's own");
  command->add_option("--split", request->split, "Which split")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->capture_default_str();
  add_device_option(*command, request->device);
  command->add_flag("--json", request->json, "Print one JSON object");
  command->callback([request, &chosen] {
    chosen = [request](Session& session) {
      return load_training_commands(session.communicator()).evaluate(*request, session);
    };
  });
}

}  // namespace fer_ddp
