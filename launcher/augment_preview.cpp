// `fer-ddp augment-preview --config FILE -o FILE.png`: images of a run's first batch beside what the network sees of
// them.
#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "comm/agreement.h"
#include "comm/identity_communicator.h"
#include "core/atomic_file.h"
#include "core/augmentation_options.h"
#include "core/error.h"
#include "data/batch_preview.h"
#include "data/staging_folder.h"
#include "launcher/command.h"
#include "launcher/run_reader.h"
#include "launcher/thread_share.h"
#include "launcher/training_data.h"
#include "network/table.h"
#include "report/face_grid.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct PreviewOptions {
  std::string config;
  std::vector<std::string> overrides;
  fs::path output;
  int epoch = 1;
  int images = 64;
};

constexpr int kMostImages = 4096;  // a picture of 30,708 rows
constexpr int kPairsPerRow = 8;

void check_epoch(const PreviewOptions& options, const Config& config) {
  if (options.epoch < 1 || options.epoch > config.epochs)
    throw user_error(fmt::format("--epoch is {}, but the run has {} epoch{}", options.epoch, config.epochs,
                                 config.epochs == 1 ? "" : "s"),
                     "Give one of them, counted from 1.");
}

BatchPreview preview_of(const TrainingRows& rows, const PreviewOptions& options, const Config& config) {
  require_training_rows(rows.count, config);
  return preview_first_batch(rows, config, configured_network(config).input, options.epoch - 1, options.images);
}

BatchPreview preview_of_shards(const PreviewOptions& options, const Config& config) {
  const Manifest manifest = read_manifest(config.data);
  require_split_rule(manifest, config);
  return preview_of(training_rows(config.data, manifest), options, config);
}

// No shards are made of the input file: its rows are imported straight from it, unpacked beside the picture where it is
// gzipped.
BatchPreview preview_of_input(const PreviewOptions& options, const Config& config, int threads) {
  const std::unique_ptr<Communicator> alone = make_identity_communicator();
  const ScratchFolder scratch(options.output.string() + ".input", *alone);
  const std::unique_ptr<Importer> importer = open_importer(config.data, scratch.path(), threads, *alone);
  const SplitRows rows = split_rows(*importer, config.split, config.data);
  return preview_of(training_rows(*importer, rows[Split::kTrain]), options, config);
}

// Which augmentation is on, in one line.
std::string words_of(const ImageRecipe& recipe, const BatchMixing& mixing, int epoch) {
  const std::string changes = change_words(recipe, mixing);
  if (!changes.empty()) return "augmentation: " + changes;
  return fmt::format("augmentation: nothing is changed in epoch {}: the network sees its images as they are", epoch);
}

void write_preview(const PreviewOptions& options, int threads, RunLog& log) {
  require_picture_output(options.output, ".png");
  const Config config = load_config(options.config, options.overrides);
  require_data(config);
  check_epoch(options, config);
  const BatchPreview preview =
      is_shard_folder(config.data) ? preview_of_shards(options, config) : preview_of_input(options, config, threads);
  write_file_atomically(options.output, face_pairs_png(preview.stored, preview.seen, kPairsPerRow));
  log.info("augment_preview",
           fmt::format("{}: {} of the {} images of epoch {}'s first batch, each beside what the network sees of it\n{}",
                       options.output.string(), preview.stored.size(), preview.batch_images, options.epoch,
                       words_of(image_recipe(config, options.epoch - 1), preview.mixing, options.epoch)),
           {{"file", options.output.string()}, {"images", preview.stored.size()}, {"epoch", options.epoch - 1}});
}

int run_preview(const PreviewOptions& options, Session& session) {
  const int threads = take_thread_share(session.communicator());
  run_on_rank_0(session.communicator(), [&] { write_preview(options, threads, session.log); });
  return 0;
}

}  // namespace

void add_augment_preview_command(CLI::App& app, Action& chosen) {
  CLI::App* command =
      app.add_subcommand("augment-preview", "Draws images of a run's first batch beside what the network sees of them");
  const auto options = std::make_shared<PreviewOptions>();
  command->add_option("--config", options->config, "The run's configuration, a JSON file")->required();
  add_override_option(*command, options->overrides);
  command
      ->add_option(
          "-o,--output", options->output,
          fmt::format("The PNG to write: pairs, an image as it is stored and, to its right, as the network sees "
                      "it. Black to white is 0 to 1 of the network's input or, where that is "
                      "standardize_image, -{0} to {0}",
                      kGreyReach))
      ->required();
  command->add_option("--epoch", options->epoch, "Of which epoch, counted from 1")->capture_default_str();
  command->add_option("--images", options->images, "How many images of the batch, at most")
      ->check(CLI::Range(1, kMostImages))
      ->capture_default_str();
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_preview(*options, session); }; });
}

}  // namespace fer_ddp
