#include <gtest/gtest.h>

#include <memory>

#include "report/progress.h"
#include "terminal.h"

namespace fer_ddp {
namespace {

using namespace std::chrono_literals;

Progress third_epoch() {
  return {.epoch = 2,
          .epochs = 50,
          .steps_done = 120,
          .steps = 197,
          .loss = 1.43214,
          .accuracy = 0.452,
          .images_per_second = 2345.4,
          .seconds_left = 200};
}

TEST(ProgressText, SaysWhereTheRunIsCountingEpochsFromOne) {
  EXPECT_EQ(progress_text(third_epoch(), 120),
            "epoch 3/50  step 120/197  loss 1.4321  accuracy 0.4520  2,345 images/s  3 min 20 s left");
}

TEST(ProgressText, LeavesOutFromTheRightWhatDoesNotFit) {
  EXPECT_EQ(progress_text(third_epoch(), 40), "epoch 3/50  step 120/197  loss 1.4321");
  EXPECT_EQ(progress_text(third_epoch(), 39), "epoch 3/50  step 120/197  loss 1.4321");
  EXPECT_EQ(progress_text(third_epoch(), 38), "epoch 3/50  step 120/197  loss 1.4321");
  EXPECT_EQ(progress_text(third_epoch(), 37), "epoch 3/50  step 120/197  loss 1.4321");
  EXPECT_EQ(progress_text(third_epoch(), 36), "epoch 3/50  step 120/197");
  EXPECT_EQ(progress_text(third_epoch(), 5), "");
}

TEST(ProgressText, LeavesOutWhatIsUnknown) {
  EXPECT_EQ(progress_text({.epoch = 0, .epochs = 2, .steps_done = 0, .steps = 5}, 120), "epoch 1/2  step 0/5");
}

TEST(EpochText, SaysAllOfAnEpochOnOneLine) {
  const EpochRecord record{.epoch = 2,
                           .loss = 1.43214,
                           .accuracy = 0.452,
                           .val_loss = 1.39,
                           .val_accuracy = 0.471,
                           .learning_rate = 0.001,
                           .seconds = 12.2,
                           .images_per_second = 2345.4};
  EXPECT_EQ(epoch_text(record, 50, true),
            "epoch 3/50  loss 1.4321  accuracy 0.4520  val_loss 1.3900  val_accuracy 0.4710  lr 0.001  2,345 images/s  "
            "12 s  * best");
}

TEST(EpochText, SaysNanForNanOfEitherSign) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(
      epoch_text(
          {.epoch = 0, .loss = -kNan, .accuracy = kNan, .val_loss = -kNan, .val_accuracy = 0.25, .learning_rate = 0.1},
          1, false),
      "epoch 1/1  loss nan  accuracy nan  val_loss nan  val_accuracy 0.2500  lr 0.1  0 images/s  0 s");
}

TEST(EpochText, WithoutValidationImagesSaysSo) {
  EXPECT_EQ(epoch_text({.epoch = 0, .loss = 1.5, .accuracy = 0.25, .learning_rate = 0.1}, 1, false),
            "epoch 1/1  loss 1.5000  accuracy 0.2500  not validated  lr 0.1  0 images/s  0 s");
}

TEST(ProgressLine, IsRedrawnInPlaceAndFitsTheTerminal) {
  const Terminal terminal(40);
  ASSERT_NE(terminal.stream(), nullptr);
  MessageStream messages(terminal.stream());
  ProgressLine line(messages, true);
  line.show(third_epoch());
  EXPECT_EQ(terminal.drawn(), "\r\x1b[Kepoch 3/50  step 120/197  loss 1.4321");
}

TEST(ProgressLine, IsDrawnAtMostEightTimesASecond) {
  const Terminal terminal(80);
  ASSERT_NE(terminal.stream(), nullptr);
  MessageStream messages(terminal.stream());
  ProgressLine line(messages, true);
  const auto start = ProgressLine::Clock::now();
  line.show(third_epoch(), start);
  EXPECT_FALSE(line.due(start + 124ms));
  EXPECT_TRUE(line.due(start + 125ms));
}

TEST(ProgressLine, IsWipedForOtherText) {
  const Terminal terminal(80);
  ASSERT_NE(terminal.stream(), nullptr);
  MessageStream messages(terminal.stream());
  ProgressLine line(messages, true);
  line.show(third_epoch());
  (void)terminal.drawn();
  line.clear();
  EXPECT_EQ(terminal.drawn(), "\r\x1b[K");
}

TEST(ProgressLine, IsSilentWhereThereIsNoTerminal) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  MessageStream messages(file.get());
  ProgressLine line(messages, true);
  EXPECT_FALSE(line.due());
  line.show(third_epoch());
  line.clear();
  EXPECT_EQ(std::ftell(file.get()), 0);
}

TEST(ProgressLine, IsSilentWhereItIsNotWanted) {
  const Terminal terminal(80);
  ASSERT_NE(terminal.stream(), nullptr);
  MessageStream messages(terminal.stream());
  EXPECT_FALSE(ProgressLine(messages, false).due());
}

}  // namespace
}  // namespace fer_ddp
