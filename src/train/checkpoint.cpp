#include "train/checkpoint.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "comm/agreement.h"
#include "core/error.h"
#include "model/weights.h"
#include "network/table.h"

namespace fer_ddp {

namespace {

constexpr const char* kState = "state.json";
constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kBest = "best.safetensors";
constexpr const char* kLowestLoss = "lowest_loss.safetensors";
constexpr const char* kHighestAccuracy = "highest_accuracy.safetensors";

// The optimizer's slots are stored flat, in the order of the weights file's names and PyTorch's index order, one tensor
// a parameter.
at::Tensor slot_view(std::vector<float>& values, const Parameter& parameter) {
  return at::from_blob(values.data() + parameter.offset, parameter.value.sizes(), parameter.value.strides(),
                       at::kFloat);
}

// The averages of what is not trained stand beside the optimizer's slot of those of the weights.
std::string average_name(const Buffer& buffer) { return "average." + buffer.name; }

void copy_slots(Optimizer& optimizer, const Model& model, StoredTensors& copy) {
  for (Optimizer::Slot& slot : optimizer.slots())
    for (const Parameter& parameter : model.store().parameters())
      copy_tensor(slot_view(slot.values, parameter), copy[slot.name + "." + parameter.name]);
  for (const Buffer& buffer : model.averaged_buffers()) copy_tensor(buffer.value, copy[average_name(buffer)]);
}

void copy_stored(const StoredTensors& stored, const std::string& name, const std::string& source,
                 const at::Tensor& to) {
  const auto found = stored.find(name);
  if (found == stored.end())
    throw user_error(fmt::format("{}: tensor {} is missing", source, name),
                     "Was the run started with another optimizer?");
  const StoredTensor& tensor = found->second;
  if (!std::ranges::equal(tensor.shape, to.sizes()))
    throw user_error(fmt::format("{}: tensor {} has shape [{}], expected [{}]", source, name,
                                 fmt::join(tensor.shape, ", "), fmt::join(to.sizes(), ", ")),
                     "The file must hold the optimizer's state for this very model.");
  to.copy_(at::from_blob(const_cast<float*>(tensor.values.data()), tensor.shape, at::kFloat));
}

ByteSource bytes_of(std::shared_ptr<const StoredTensors> tensors) {
  return [tensors = std::move(tensors)](const ByteSink& to) { write_safetensors(sources_of(*tensors), {}, to); };
}

void set_slots(Optimizer& optimizer, const Model& model, const StoredTensors& stored, const std::string& source) {
  for (Optimizer::Slot& slot : optimizer.slots())
    for (const Parameter& parameter : model.store().parameters())
      copy_stored(stored, slot.name + "." + parameter.name, source, slot_view(slot.values, parameter));
  for (const Buffer& buffer : model.averaged_buffers()) copy_stored(stored, average_name(buffer), source, buffer.value);
}

std::string name_of(const StoredCheckpoint& checkpoint, const char* file) {
  return fmt::format("{}/{}", checkpoint.path, file);
}

const std::string& file_of(const StoredCheckpoint& checkpoint, const char* file) {
  const auto found = checkpoint.files.find(file);
  if (found == checkpoint.files.end())
    throw machine_error(fmt::format("{}: is missing", name_of(checkpoint, file)),
                        "Move the checkpoint's folder away to go on from the one before.");
  return found->second;
}

StoredTensors tensors_of(const StoredCheckpoint& checkpoint, const char* file) {
  return decode_safetensors(file_of(checkpoint, file), name_of(checkpoint, file));
}

std::optional<int> epoch_of(const std::optional<KeptEpoch>& kept) {
  return kept ? std::optional(kept->epoch) : std::nullopt;
}

// The files that hold what is kept: each epoch's weights once.
std::map<std::string, const KeptEpoch*> files_of(const KeptWeights& kept) {
  std::map<std::string, const KeptEpoch*> files;
  const auto add = [&files](const char* name, const std::optional<KeptEpoch>& epoch) {
    const bool is_there = epoch && std::any_of(files.begin(), files.end(),
                                               [&](const auto& file) { return file.second->epoch == epoch->epoch; });
    if (epoch && !is_there) files[name] = &*epoch;
  };
  add(kBest, kept.best);
  add(kLowestLoss, kept.lowest_loss);
  add(kHighestAccuracy, kept.highest_accuracy);
  return files;
}

// Of an older checkpoint: the epochs of which early stopping kept the weights.
KeptEpochs epochs_kept_by_early_stopping(const TrainingState& state) {
  KeptEpochs epochs;
  if (!state.best_epoch) return epochs;
  if (best_epoch_by_loss(state.history) == state.best_epoch) epochs.lowest_loss = state.best_epoch;
  if (best_epoch_by_accuracy(state.history) == state.best_epoch) epochs.highest_accuracy = state.best_epoch;
  return epochs;
}

KeptWeights read_kept(const StoredCheckpoint& checkpoint, const CheckpointState& state, const Model& model) {
  KeptWeights kept;
  const auto read = [&](const std::optional<int>& epoch, const char* file) -> std::optional<KeptEpoch> {
    if (!epoch) return std::nullopt;
    if (auto weights = kept.weights_of(*epoch)) return KeptEpoch{*epoch, std::move(weights)};
    StoredTensors tensors = tensors_of(checkpoint, file);
    require_weights_fit(model, tensors, name_of(checkpoint, file));
    return KeptEpoch{*epoch, std::make_shared<const StoredTensors>(std::move(tensors))};
  };
  const KeptEpochs epochs = state.kept.value_or(epochs_kept_by_early_stopping(state.training));
  kept.best = read(state.training.best_epoch, kBest);
  kept.lowest_loss = read(epochs.lowest_loss, kLowestLoss);
  kept.highest_accuracy = read(epochs.highest_accuracy, kHighestAccuracy);
  return kept;
}

}  // namespace

CheckpointContent encode_checkpoint(const Checkpointed& parts, const std::shared_ptr<CheckpointMemory>& memory) {
  const CheckpointState state{.training = parts.state,
                              .decisions = parts.decisions.state(),
                              .optimizer_steps = parts.optimizer.step_count(),
                              .data_checksum = parts.data_checksum,
                              .network = network_hash(parts.model.network()),
                              .teachers = parts.teachers,
                              .device_choices = parts.device_choices,
                              .kept = KeptEpochs{.lowest_loss = epoch_of(parts.kept.lowest_loss),
                                                 .highest_accuracy = epoch_of(parts.kept.highest_accuracy)}};
  copy_weights(parts.model, memory->weights);
  copy_slots(parts.optimizer, parts.model, memory->optimizer);
  const ByteSource state_text = [state](const ByteSink& to) {
    const std::string text = checkpoint_state_text(state);
    to(std::as_bytes(std::span(text)));
  };
  CheckpointContent content = {{kState, state_text},
                               {kWeights, bytes_of({memory, &memory->weights})},
                               {kOptimizer, bytes_of({memory, &memory->optimizer})}};
  for (const auto& [name, kept] : files_of(parts.kept)) content[name] = bytes_of(kept->weights);
  return content;
}

CheckpointState read_checkpoint_state(const StoredCheckpoint& checkpoint) {
  return parse_checkpoint_state(file_of(checkpoint, kState), name_of(checkpoint, kState));
}

void decode_checkpoint(const StoredCheckpoint& checkpoint, const CheckpointState& state, const Checkpointed& parts) {
  KeptWeights kept = read_kept(checkpoint, state, parts.model);
  set_slots(parts.optimizer, parts.model, tensors_of(checkpoint, kOptimizer), name_of(checkpoint, kOptimizer));
  set_weights(parts.model, tensors_of(checkpoint, kWeights), name_of(checkpoint, kWeights));
  parts.kept = std::move(kept);
  parts.state = state.training;
  parts.decisions.restore(state.decisions);
  parts.optimizer.set_step_count(state.optimizer_steps);
}

std::optional<StoredCheckpoint> broadcast_checkpoint(Communicator& communicator,
                                                     const std::optional<StoredCheckpoint>& checkpoint) {
  nlohmann::json outline;  // null: there is none
  if (checkpoint) {
    outline = {{"path", checkpoint->path}, {"files", nlohmann::json::array()}};
    for (const auto& [name, bytes] : checkpoint->files) outline["files"].push_back(name);
  }
  outline = nlohmann::json::parse(broadcast_text(communicator, outline.dump()));
  if (outline.is_null()) return std::nullopt;
  StoredCheckpoint received{.path = outline["path"], .files = {}};
  for (const std::string name : outline["files"])
    received.files[name] = broadcast_text(communicator, checkpoint ? checkpoint->files.at(name) : std::string());
  return received;
}

}  // namespace fer_ddp
