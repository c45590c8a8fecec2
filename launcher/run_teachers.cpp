#include "launcher/run_teachers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/run_layout.h"
#include "launcher/run_reader.h"
#include "model/weights.h"
#include "network/table.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// A teacher's two files, on the way from rank 0 to all.
struct TeacherFiles {
  std::string network;  // the whole table
  std::string weights;  // safetensors
};

fs::path kept_folder(const Config& config, size_t index) {
  return fs::path(config.output) / run_file::kTeachers / std::to_string(index + 1);
}

// All of them: copies are whole before the first step, and with it the first checkpoint.
bool are_kept(const Config& config) {
  for (size_t i = 0; i < config.distill_from.size(); ++i)
    for (const char* file : {run_file::kNetwork, run_file::kModel})
      if (!fs::is_regular_file(kept_folder(config, i) / file)) return false;
  return true;
}

TeacherFiles read_kept(const fs::path& folder) {
  return {.network = network_to_json(read_network(folder / run_file::kNetwork)).dump(),
          .weights = read_file(folder / run_file::kModel)};
}

TeacherFiles read_run_files(const Config& config, const fs::path& folder) {
  std::error_code not_there;
  if (fs::equivalent(folder, config.output, not_there))
    throw user_error("is the run itself", "A run learns from others: choose another output.");
  if (!holds_run(folder)) throw user_error("holds no run (no config.json)", "Give the folder of a run that has ended.");
  const fs::path weights = weights_of_run(folder);
  const fs::path table = folder / run_file::kNetwork;
  const Network network =
      fs::exists(table) ? read_network(table) : configured_network(load_config(folder / run_file::kConfig));
  return {.network = network_to_json(network).dump(), .weights = read_file(weights)};
}

// `work`, with the key and the folder in front of what it has to say.
template <typename Work>
auto naming(const fs::path& folder, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.fault(), fmt::format("distill_from: {}: {}", folder.string(), error.what()), error.advice());
  }
}

// In evaluation, and with nothing that belongs to training.
std::unique_ptr<Model> make_teacher(const Config& config, const TeacherFiles& files) {
  Config own = config;
  own.average_weights = std::nullopt;
  auto model = std::make_unique<Model>(parse_network(files.network, run_file::kNetwork), own, at::kCPU);
  const StoredTensors tensors = decode_safetensors(files.weights, run_file::kModel);
  set_weights(*model, tensors, run_file::kModel);
  for (const auto& [name, tensor] : tensors)
    if (!std::all_of(tensor.values.begin(), tensor.values.end(), [](float value) { return std::isfinite(value); }))
      throw user_error(fmt::format("{}: tensor {} has values that are not finite", run_file::kModel, name),
                       "Its training diverged: it has nothing to teach.");
  return model;
}

}  // namespace

std::unique_ptr<Teachers> provide_teachers(const Config& config, ExistingRun existing, Communicator& communicator) {
  if (config.distill_from.empty()) return nullptr;
  const size_t count = config.distill_from.size();
  std::vector<fs::path> folders(count);  // rank 0's
  std::vector<TeacherFiles> files(count);
  run_on_rank_0(communicator, [&] {
    const bool from_kept = existing == ExistingRun::kResume && are_kept(config);
    for (size_t i = 0; i < count; ++i) {
      folders[i] = from_kept ? kept_folder(config, i) : fs::path(config.distill_from[i]);
      files[i] =
          naming(folders[i], [&] { return from_kept ? read_kept(folders[i]) : read_run_files(config, folders[i]); });
    }
  });
  std::vector<std::unique_ptr<Model>> models;
  for (size_t i = 0; i < count; ++i) {
    const fs::path folder = broadcast_text(communicator, folders[i].string());
    files[i].network = broadcast_text(communicator, files[i].network);
    files[i].weights = broadcast_text(communicator, files[i].weights);
    run_together(communicator, [&] { naming(folder, [&] { models.push_back(make_teacher(config, files[i])); }); });
    files[i] = {};
  }
  return std::make_unique<Teachers>(std::move(models));
}

void write_teachers(const Config& config, const Teachers& teachers, const PublishCheck& check) {
  if (are_kept(config)) return;
  for (size_t i = 0; i < teachers.models().size(); ++i) {
    const Model& model = *teachers.models()[i];
    const fs::path folder = kept_folder(config, i);
    make_folder(folder);
    write_file_atomically(folder / run_file::kNetwork, network_to_json(model.network()).dump(2) + "\n", check);
    write_file_atomically(
        folder / run_file::kModel,
        [&](const ByteSink& to) {
          write_safetensors(weight_sources(model), {{"format", "pt"}}, to);
        },
        check);
  }
}

}  // namespace fer_ddp
