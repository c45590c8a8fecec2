#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include "checkpoint_parts.h"
#include "core/error.h"
#include "model/weights.h"

namespace fer_ddp {

namespace {

class Checkpoint : public ::testing::Test {
 protected:
  using Parts = CheckpointParts;

  // What is written of parts that have come some way.
  static StoredCheckpoint written() {
    Parts parts;
    parts.state.learning_rate = 0.5;
    for (const auto& [loss, accuracy] : {std::pair(1.5, 0.2), std::pair(1.4, 0.3), std::pair(1.6, 0.4)})
      parts.train(loss, accuracy);
    for (Optimizer::Slot& slot : parts.optimizer->slots())
      for (size_t i = 0; i < slot.values.size(); ++i) slot.values[i] = static_cast<float>(i);
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
  // What lies between the parameters is in no checkpoint.
  for (const Optimizer::Slot& slot : parts.optimizer->slots())
    for (const Parameter& parameter : parts.model->store().parameters())
      for (size_t i = parameter.offset; i < parameter.offset + parameter.size; ++i)
        ASSERT_EQ(slot.values[i], static_cast<float>(i));
  EXPECT_EQ(parts.state.learning_rate, 0.5);
  EXPECT_EQ(parts.kept.best->epoch, 0);
  EXPECT_EQ(parts.kept.lowest_loss->epoch, 1);
  EXPECT_EQ(parts.kept.highest_accuracy->epoch, 2);
  EXPECT_NE(parts.kept.lowest_loss->weights, parts.kept.highest_accuracy->weights);
}

TEST_F(Checkpoint, HoldsTheWeightsOfAnEpochOnce) {
  StoredCheckpoint checkpoint = written();
  EXPECT_EQ(checkpoint.files.size(), 6U);
  Parts parts;
  decode_checkpoint(checkpoint, read_checkpoint_state(checkpoint), parts.all());
  parts.kept.best = parts.kept.highest_accuracy = parts.kept.lowest_loss;
  parts.state.best_epoch = 1;
  const CheckpointContent content = encode_checkpoint(parts.all());
  EXPECT_TRUE(content.contains("best.safetensors"));
  EXPECT_FALSE(content.contains("lowest_loss.safetensors"));
  EXPECT_FALSE(content.contains("highest_accuracy.safetensors"));
}

TEST_F(Checkpoint, IsCopiedToTheSameMemoryEachTime) {
  Parts parts;
  const auto memory = std::make_shared<CheckpointMemory>();
  static_cast<void>(encode_checkpoint(parts.all(), memory));
  const float* weights = memory->weights.at("fc1.weight").values.data();
  const float* slots = memory->optimizer.at("v.fc1.weight").values.data();
  static_cast<void>(encode_checkpoint(parts.all(), memory));
  EXPECT_EQ(memory->weights.at("fc1.weight").values.data(), weights);
  EXPECT_EQ(memory->optimizer.at("v.fc1.weight").values.data(), slots);
}

// As earlier versions wrote it.
TEST_F(Checkpoint, OfAnOlderVersionHasEarlyStoppingsWeightsAlone) {
  StoredCheckpoint checkpoint = written();
  checkpoint.files.erase("lowest_loss.safetensors");
  checkpoint.files.erase("highest_accuracy.safetensors");
  CheckpointState state = read_checkpoint_state(checkpoint);
  state.kept.reset();
  Parts parts;
  decode_checkpoint(checkpoint, state, parts.all());
  EXPECT_EQ(parts.kept.best->epoch, 0);
  EXPECT_FALSE(parts.kept.lowest_loss.has_value());
  state.training.history[0].val_loss = 1.0;  // early stopping kept the lowest loss' weights
  decode_checkpoint(checkpoint, state, parts.all());
  EXPECT_EQ(parts.kept.lowest_loss->weights, parts.kept.best->weights);
}

TEST_F(Checkpoint, ASlotOfAnotherShapeIsNamedWithItsFile) {
  StoredCheckpoint checkpoint = written();
  replace(checkpoint, "optimizer.safetensors", "m.fc2.bias", StoredTensor{.shape = {1}, .values = {0.0F}});
  EXPECT_EQ(refusal(checkpoint), folder_ + "optimizer.safetensors: tensor m.fc2.bias has shape [1], expected [7]");
  replace(checkpoint, "optimizer.safetensors", "m.fc2.bias", std::nullopt);
  EXPECT_EQ(refusal(checkpoint), folder_ + "optimizer.safetensors: tensor m.fc2.bias is missing");
}

TEST_F(Checkpoint, WeightsOfAnotherShapeAreNamedWithTheirFile) {
  for (const char* file :
       {"weights.safetensors", "best.safetensors", "lowest_loss.safetensors", "highest_accuracy.safetensors"}) {
    StoredCheckpoint checkpoint = written();
    replace(checkpoint, file, "fc2.bias", StoredTensor{.shape = {1}, .values = {0.0F}});
    EXPECT_EQ(refusal(checkpoint), folder_ + file + ": tensor fc2.bias has shape [1], expected [7]");
  }
}

TEST_F(Checkpoint, AFileThatIsMissingIsNamed) {
  for (const char* file : {"state.json", "weights.safetensors", "optimizer.safetensors", "best.safetensors",
                           "lowest_loss.safetensors", "highest_accuracy.safetensors"}) {
    StoredCheckpoint checkpoint = written();
    checkpoint.files.erase(file);
    EXPECT_EQ(refusal(checkpoint), folder_ + file + ": is missing");
  }
}

}  // namespace

}  // namespace fer_ddp
