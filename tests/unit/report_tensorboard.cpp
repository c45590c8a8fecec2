#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.h"
#include "fer_ddp/tensorboard/event.pb.h"
#include "report/tensorboard.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::StartsWith;

fs::path empty_folder(const std::string& name) {
  const fs::path folder = fs::path(testing::TempDir()) / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

// The events of a file, whose framing must be right byte for byte.
std::vector<tensorboard::Event> events_of(const fs::path& path) {
  const std::string bytes = read_file(path);
  std::vector<tensorboard::Event> events;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = static_cast<uint8_t>(bytes[at]) + 256U * static_cast<uint8_t>(bytes[at + 1]);
    const std::string payload = bytes.substr(at + 12, length);
    EXPECT_EQ(bytes.substr(at, 16 + length), tfrecord(payload));
    EXPECT_TRUE(events.emplace_back().ParseFromString(payload));
    at += 16 + length;
  }
  return events;
}

TEST(Crc32c, AgreesWithTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(Crc32c, IsMaskedByRotationAndAConstant) {
  EXPECT_EQ(masked_crc32c(""), 0xa282ead8U);
  EXPECT_EQ(masked_crc32c("123456789"), ((0xe3069283U >> 15) | (0xe3069283U << 17)) + 0xa282ead8U);
}

TEST(TfRecord, FramesTheBytesWithLengthAndChecksums) {
  const std::string record = tfrecord("abc");
  ASSERT_EQ(record.size(), 8U + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
}

TEST(TensorBoard, AFileBeginsWithItsVersionAndWhereTheRunStarts) {
  const TensorBoardWriter writer(empty_folder("tensorboard_start"), 5);
  const auto events = events_of(writer.path());
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  EXPECT_EQ(events[1].session_log().status(), tensorboard::SessionLog::START);
  EXPECT_EQ(events[1].step(), 5);
}

TEST(TensorBoard, AnEpochIsReadableAsSoonAsItIsAdded) {
  TensorBoardWriter writer(empty_folder("tensorboard_epoch"), 0);
  writer.add_epoch(
      {.epoch = 3, .loss = 1.5, .accuracy = 0.25, .val_loss = 1.25, .val_accuracy = 0.5, .learning_rate = 0.125});
  const auto events = events_of(writer.path());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[2].step(), 3);
  ASSERT_EQ(events[2].summary().value_size(), 6);
  EXPECT_EQ(events[2].summary().value(1).tag(), "loss/validation");
  EXPECT_EQ(events[2].summary().value(1).simple_value(), 1.25F);
}

TEST(TensorBoard, AnEpochThatWasNotValidatedHasNoValidationScalars) {
  TensorBoardWriter writer(empty_folder("tensorboard_unvalidated"), 0);
  writer.add_epoch({.epoch = 0, .loss = 1.5, .accuracy = 0.25, .learning_rate = 0.125});
  const auto events = events_of(writer.path());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[2].summary().value_size(), 4);
}

TEST(TensorBoard, EachStartOfARunHasAFileOfItsOwn) {
  const fs::path folder = empty_folder("tensorboard_restart");
  const TensorBoardWriter first(folder, 0);
  const TensorBoardWriter second(folder, 2);
  EXPECT_NE(first.path(), second.path());
  EXPECT_THAT(second.path().filename().string(), StartsWith("events.out.tfevents."));
}

}  // namespace
}  // namespace fer_ddp
