#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "model/weights.h"

namespace fer_ddp {

namespace {

// A model with its optimizer and all else that a checkpoint is of.
class Checkpoint : public ::testing::Test {
 protected:
  struct Parts {
    Config config{};
    std::unique_ptr<Model> model = make_model(config);
    std::unique_ptr<Optimizer> optimizer = make_optimizer(config, model->store().layout());
    TrainingState state{};
    DecisionMaker decisions{config};
    std::optional<StoredTensors> best{};
    std::string data_checksum = "data";

    Checkpointed all() { return {state, *model, *optimizer, decisions, best, data_checksum}; }
  };

  // What is written of parts that have come some way.
  static StoredCheckpoint written() {
    Parts parts;
    for (Optimizer::Slot& slot : parts.optimizer->slots())
      for (size_t i = 0; i < slot.values.size(); ++i) slot.values[i] = static_cast<float>(i);
    parts.best = copy_weights(*parts.model);
    parts.state.epoch = 1;
    parts.state.learning_rate = 0.5;
    parts.state.history = {{.epoch = 0}};
    parts.state.best_epoch = 0;
    StoredCheckpoint checkpoint{.path = "run/checkpoints/epoch-00001-step-00000000", .files = {}};
    for (const auto& [name, content] : encode_checkpoint(parts.all())) {
      content([&bytes = checkpoint.files[name]](std::span<const std::byte> more) {
        bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
      });
    }
    return checkpoint;
  }

  static std::string refusal(const StoredCheckpoint& checkpoint) {
    Parts parts;
    try {
      decode_checkpoint(checkpoint, read_checkpoint_state(checkpoint), parts.all());
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was refused";
  }

  // Replaces one tensor of a file by another, or by none.
  static void replace(StoredCheckpoint& checkpoint, const char* file, const char* tensor,
                      const std::optional<StoredTensor>& by) {
    StoredTensors tensors = decode_safetensors(checkpoint.files.at(file), file);
    tensors.erase(tensor);
    if (by) tensors[tensor] = *by;
    std::string& bytes = checkpoint.files[file];
    bytes.clear();
    write_safetensors(sources_of(tensors), {}, [&](std::span<const std::byte> more) {
      bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
    });
  }

  const std::string folder_ = "run/checkpoints/epoch-00001-step-00000000/";
};

TEST_F(Checkpoint, IsReadBackAsItWasWritten) {
  const StoredCheckpoint checkpoint = written();
  Parts parts;
  decode_checkpoint(checkpoint, read_checkpoint_state(checkpoint), parts.all());
  for (const Optimizer::Slot& slot : parts.optimizer->slots())
    for (size_t i = 0; i < slot.values.size(); ++i) ASSERT_EQ(slot.values[i], static_cast<float>(i));
  EXPECT_EQ(parts.state.learning_rate, 0.5);
  EXPECT_TRUE(parts.best.has_value());
}

TEST_F(Checkpoint, ASlotOfAnotherShapeIsNamedWithItsFile) {
  StoredCheckpoint checkpoint = written();
  replace(checkpoint, "optimizer.safetensors", "m.fc2.bias", StoredTensor{.shape = {1}, .values = {0.0F}});
  EXPECT_EQ(refusal(checkpoint), folder_ + "optimizer.safetensors: tensor m.fc2.bias has shape [1], expected [7]");
  replace(checkpoint, "optimizer.safetensors", "m.fc2.bias", std::nullopt);
  EXPECT_EQ(refusal(checkpoint), folder_ + "optimizer.safetensors: tensor m.fc2.bias is missing");
}

TEST_F(Checkpoint, WeightsOfAnotherShapeAreNamedWithTheirFile) {
  for (const char* file : {"weights.safetensors", "best.safetensors"}) {
    StoredCheckpoint checkpoint = written();
    replace(checkpoint, file, "fc2.bias", StoredTensor{.shape = {1}, .values = {0.0F}});
    EXPECT_EQ(refusal(checkpoint), folder_ + file + ": tensor fc2.bias has shape [1], expected [7]");
  }
}

TEST_F(Checkpoint, AFileThatIsMissingIsNamed) {
  for (const char* file : {"state.json", "weights.safetensors", "optimizer.safetensors", "best.safetensors"}) {
    StoredCheckpoint checkpoint = written();
    checkpoint.files.erase(file);
    EXPECT_EQ(refusal(checkpoint), folder_ + file + ": is missing");
  }
}

}  // namespace

}  // namespace fer_ddp
