#include "launcher/run_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "core/atomic_file.h"
#include "core/augmentation_options.h"
#include "core/error.h"
#include "core/json_reader.h"
#include "core/run_layout.h"
#include "data/batch_preview.h"
#include "data/manifest.h"
#include "launcher/sample_faces.h"
#include "network/table.h"
#include "report/face_grid.h"
#include "report/history.h"
#include "report/html_report.h"
#include "report/predictions.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

Json read_json(const fs::path& path) {
  try {
    return parse_json(read_file(path, kMostTextBytes));
  } catch (const Json::exception& problem) {
    throw user_error(fmt::format("{}: not JSON: {}", path.string(), problem.what()), "Was the file changed by hand?");
  }
}

// "runs/baseline/" -> "baseline".
std::string folder_name(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

// Empty where the configuration has no such key, or no text there.
std::string text_of(const Json& config, const char* key) {
  const bool there = config.is_object() && config.contains(key) && config.at(key).is_string();
  return there ? config.at(key).get<std::string>() : std::string();
}

std::string run_name(const fs::path& folder, const Json& config) {
  const std::string name = text_of(config, "name");
  return name.empty() ? folder_name(folder) : name;
}

constexpr size_t kFacesOfEachClass = 4;
constexpr size_t kMistakes = 72;  // of several runs those are shown that all of them make
constexpr int kPairs = 12;
constexpr int kPairsPerRow = 4;

void add_data(ReportRun& run, const fs::path& shards) {
  const Manifest manifest = read_manifest(shards);
  if (run.result && run.result->test && run.result->test->true_counts() != manifest.class_counts[Split::kTest])
    throw user_error(fmt::format("{}: holds other test images than the run was tested on", shards.string()));
  run.class_counts = {manifest.class_counts[Split::kTrain], manifest.class_counts[Split::kValidation],
                      manifest.class_counts[Split::kTest]};
  run.faces_png = face_grid_png(sample_faces(shards, manifest, kFacesOfEachClass));
}

// The first epoch changes most: the last ones may be gentle.
void add_what_is_seen(ReportRun& run, const fs::path& folder, const fs::path& shards) {
  const Config config = load_config(folder / run_file::kConfig);
  const ImageRecipe recipe = image_recipe(config, 0);
  if (!recipe.augmentation.is_on()) return;
  const BatchPreview preview = preview_first_batch(training_rows(shards, read_manifest(shards)), config,
                                                   network_of_run(folder, config).input, 0, kPairs);
  run.seen_png = face_pairs_png(preview.stored, preview.seen, kPairsPerRow);
  run.seen_words = change_words(recipe, preview.mixing);
}

// Where `add` fails, the report goes without `what`.
void add_if_possible(RunLog& log, const char* event, const char* what, const std::function<void()>& add) {
  try {
    add();
  } catch (const Error& problem) {
    log.warning(event, fmt::format("The report goes without {}: {}", what, problem.what()));
  }
}

// Those of an earlier end of the run are not taken: the end after it was cut off before they were written.
void add_predictions(ReportRun& run, const fs::path& folder, RunLog& log) {
  const fs::path path = folder / run_file::kPredictions;
  if (!run.result || !run.result->test || !fs::exists(path)) return;
  std::vector<TestPrediction> predictions = read_predictions(path);
  const auto right = std::count_if(predictions.begin(), predictions.end(),
                                   [](const TestPrediction& prediction) { return prediction.said.is_right(); });
  if (static_cast<int64_t>(predictions.size()) == run.result->test->images && right == run.result->test->correct())
    run.predictions = std::move(predictions);
  else
    log.warning("report_without_predictions",
                fmt::format("The report goes without {}: it is not of the test in result.json", path.string()));
}

void add_mistakes(ReportRun& run, const fs::path& shards) {
  std::vector<Mistake> mistakes = most_confident_mistakes(run.predictions, kMistakes);
  add_faces(shards, read_manifest(shards), mistakes);
  run.mistakes = std::move(mistakes);
}

// Runs of one name are told apart by their folders.
void make_names_differ(std::span<ReportRun> runs, std::span<const fs::path> folders) {
  std::vector<std::string> names;
  for (const ReportRun& run : runs) names.push_back(run.name);
  for (size_t i = 0; i < runs.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1) runs[i].name = folders[i].lexically_normal().string();
  }
}

}  // namespace

bool holds_run(const fs::path& folder) { return fs::exists(folder / run_file::kConfig); }

std::optional<fs::path> shards_of_run(const fs::path& folder, const Json& config) {
  for (const fs::path& candidate : {fs::path(text_of(config, "data")), folder / run_file::kShards}) {
    if (!candidate.empty() && is_shard_folder(candidate)) return candidate;
  }
  return std::nullopt;
}

RunResult read_result(const fs::path& folder) {
  const fs::path path = folder / run_file::kResult;
  return run_result_from_json(read_json(path), path.string());
}

fs::path weights_of_run(const fs::path& folder) {
  fs::path weights = folder / run_file::kModel;
  const bool has_result = fs::exists(folder / run_file::kResult);
  const bool is_left_over = has_result && !read_result(folder).has_weights;  // of an earlier end, which was trained on
  if (fs::exists(weights) && !is_left_over) return weights;
  if (has_result)
    throw user_error(fmt::format("{}: the run has no weights; see stop_reason in its result.json", folder.string()),
                     "A run that diverges before an epoch was its best leaves none.");
  throw user_error(fmt::format("{}: not there: the run has not finished", weights.string()),
                   "Finish it with --resume first.");
}

void require_file_output(const fs::path& output) {
  if (fs::is_directory(output))
    throw user_error(fmt::format("{}: is a folder, expected a file", output.string()), "Name another output.");
  const fs::path folder = output.parent_path();
  if (!folder.empty() && !fs::is_directory(folder))
    throw user_error(fmt::format("{}: no such folder", folder.string()));
}

void require_picture_output(const fs::path& output, std::string_view extension) {
  if (output.extension() != extension)
    throw user_error(fmt::format("{}: the picture is written as a {} file", output.string(), extension), "Name it so.");
  require_file_output(output);
}

ReportRun read_run(const fs::path& folder, RunLog& log) {
  const fs::path config = folder / run_file::kConfig;
  const fs::path history = folder / run_file::kHistory;
  const fs::path result = folder / run_file::kResult;
  if (!fs::exists(config) && !fs::exists(history)) {
    throw user_error(fmt::format("{}: no run is here", folder.string()),
                     "A run's folder holds config.json and history.csv; by default it is runs/NAME.");
  }
  ReportRun run;
  if (fs::exists(config)) run.config = read_json(config);
  run.name = run_name(folder, run.config);
  if (fs::exists(history)) run.history = epoch_records(read_history(history));
  if (fs::exists(result)) run.result = read_result(folder);
  add_predictions(run, folder, log);
  const std::optional<fs::path> shards = shards_of_run(folder, run.config);
  if (!shards) return run;
  add_if_possible(log, "report_without_data", "the data", [&] { add_data(run, *shards); });
  if (!run.predictions.empty())
    add_if_possible(log, "report_without_mistakes", "the most confident mistakes", [&] { add_mistakes(run, *shards); });
  if (run.faces_png.empty() || run.config.is_null()) return run;
  add_if_possible(log, "report_without_preview", "what the network sees",
                  [&] { add_what_is_seen(run, folder, *shards); });
  return run;
}

void write_report(std::span<const fs::path> folders, const fs::path& output, RunLog& log, const PublishCheck& check) {
  std::vector<ReportRun> runs;
  for (const fs::path& folder : folders) runs.push_back(read_run(folder, log));
  make_names_differ(runs, folders);
  write_file_atomically(output, html_report(runs), check);
}

}  // namespace fer_ddp
