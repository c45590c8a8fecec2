#include "train/checkpoint.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <utility>

#include "comm/agreement.h"
#include "core/error.h"
#include "model/weights.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

constexpr int kFormatVersion = 1;
constexpr const char* kState = "state.json";
constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kBest = "best.safetensors";

// The optimizer's slots are stored flat, in the order of the weights file's names and PyTorch's index order, one tensor
// a parameter.
at::Tensor slot_view(std::vector<float>& values, const Parameter& parameter) {
  return at::from_blob(values.data() + parameter.offset, parameter.value.sizes(), parameter.value.strides(),
                       at::kFloat);
}

TensorSources slot_sources(Optimizer& optimizer, const ParameterStore& store) {
  TensorSources sources;
  for (Optimizer::Slot& slot : optimizer.slots())
    for (const Parameter& parameter : store.parameters())
      sources[slot.name + "." + parameter.name] = source_of(slot_view(slot.values, parameter));
  return sources;
}

ByteSource file_of(TensorSources tensors) {
  return [tensors = std::move(tensors)](const ByteSink& to) { write_safetensors(tensors, {}, to); };
}

void set_slots(Optimizer& optimizer, const ParameterStore& store, const StoredTensors& stored) {
  for (Optimizer::Slot& slot : optimizer.slots()) {
    for (const Parameter& parameter : store.parameters()) {
      const auto found = stored.find(slot.name + "." + parameter.name);
      if (found == stored.end())
        throw user_error(fmt::format("{}: slot {} of {} is missing", kOptimizer, slot.name, parameter.name),
                         "Was the run started with another optimizer?");
      const StoredTensor& tensor = found->second;
      slot_view(slot.values, parameter)
          .copy_(at::from_blob(const_cast<float*>(tensor.values.data()), tensor.shape, at::kFloat));
    }
  }
}

}  // namespace

CheckpointContent encode_checkpoint(const Checkpointed& parts) {
  const ordered_json state = {{"format_version", kFormatVersion},
                              {"training", state_to_json(parts.state)},
                              {"decisions", parts.decisions.state()},
                              {"optimizer_steps", parts.optimizer.step_count()}};
  CheckpointContent content = {
      {kState, [text = state.dump(2) + "\n"](const ByteSink& to) { to(std::as_bytes(std::span(text))); }},
      {kWeights, file_of(weight_sources(parts.model))},
      {kOptimizer, file_of(slot_sources(parts.optimizer, parts.model.store()))}};
  if (parts.best_weights) content[kBest] = file_of(sources_of(*parts.best_weights));
  return content;
}

void decode_checkpoint(const CheckpointFiles& files, const Checkpointed& parts) {
  try {
    const ordered_json state = ordered_json::parse(files.at(kState));
    if (state.at("format_version").get<int>() != kFormatVersion)
      throw user_error(fmt::format("the checkpoint has format version {}, this fer-ddp reads {}",
                                   state.at("format_version").dump(), kFormatVersion),
                       "Resume with the fer-ddp that wrote it.");
    parts.state = state_from_json(state.at("training"));
    parts.decisions.restore(state.at("decisions"));
    parts.optimizer.set_step_count(state.at("optimizer_steps").get<int64_t>());
    set_weights(parts.model, decode_safetensors(files.at(kWeights), kWeights), kWeights);
    set_slots(parts.optimizer, parts.model.store(), decode_safetensors(files.at(kOptimizer), kOptimizer));
    if (files.contains(kBest)) parts.best_weights = decode_safetensors(files.at(kBest), kBest);
  } catch (const std::out_of_range& missing) {
    throw machine_error(fmt::format("the checkpoint lacks a file ({})", missing.what()));
  } catch (const nlohmann::json::exception& problem) {
    throw machine_error(fmt::format("the checkpoint's {} is not as fer-ddp writes it: {}", kState, problem.what()));
  }
}

CheckpointFiles broadcast_files(Communicator& communicator, const CheckpointFiles& files) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  const auto all_names =
      nlohmann::json::parse(broadcast_text(communicator, nlohmann::json(names).dump())).get<std::vector<std::string>>();
  CheckpointFiles received;
  for (const std::string& name : all_names) {
    const auto own = files.find(name);
    received[name] = broadcast_text(communicator, own == files.end() ? std::string() : own->second);
  }
  return received;
}

}  // namespace fer_ddp
