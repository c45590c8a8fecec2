// `fer-ddp preprocess INPUT OUT`: any form of input to verified shards, and a table of what is in them.
#include "data/preprocess.h"

#include <memory>

#include "comm/agreement.h"
#include "core/standard_streams.h"
#include "data/counts_table.h"
#include "launcher/command.h"
#include "launcher/thread_share.h"

namespace fer_ddp {

namespace {

int run_preprocess(PreprocessOptions options, Session& session) {
  options.threads = take_thread_share(session.communicator());
  const Manifest manifest = preprocess(options, session.communicator(), session.log);
  run_on_rank_0(session.communicator(), [&] { print_result(counts_table(manifest)); });
  return 0;
}

}  // namespace

void add_preprocess_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("preprocess", "Turns a file or folder of faces into verified shards");
  const auto options = std::make_shared<PreprocessOptions>();
  const auto split = std::make_shared<std::string>(choice_word(options->split_rule));
  command
      ->add_option("INPUT", options->input,
                   "fer2013.csv, icml_face_data.csv or train.csv; a folder of pictures; or either packed")
      ->required();
  command->add_option("OUT", options->output, "The folder to make")->required();
  command->add_option("--shards", options->shards, "How many shards to write")
      ->check(CLI::Range(1, kLargestShardCount))
      ->capture_default_str();
  command
      ->add_option("--split", *split,
                   "seed: 70 % / 20 % / 10 % in the rows' order; official: by the Usage column, or what pictures' "
                   "folders and names say")
      ->check(CLI::IsMember(choice_words(SplitRule{})))
      ->capture_default_str();
  command->add_flag("--overwrite", options->overwrite, "Replace the shards that OUT holds already");
  command->callback([options, split, &chosen] {
    options->split_rule = parse_split_rule(*split);
    chosen = [options](Session& session) { return run_preprocess(*options, session); };
  });
}

}  // namespace fer_ddp
