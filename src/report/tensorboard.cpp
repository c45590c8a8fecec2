#include "report/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>

#include "core/error.h"
#include "core/host.h"
#include "fer_ddp/tensorboard/event.pb.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr uint32_t kReversedPolynomial = 0x82f63b78;
constexpr uint32_t kMaskDelta = 0xa282ead8;

// The checksum's change for each value of the next byte.
constexpr std::array<uint32_t, 256> byte_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kReversedPolynomial : 0);
    table[byte] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kByteTable = byte_table();

template <class Unsigned>
void append_little_endian(std::string& bytes, Unsigned number) {
  for (size_t i = 0; i < sizeof(Unsigned); ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xff);
}

// A name that no file has yet: two starts of a run within a second, in one process, are told apart by the last number.
fs::path unused_path(const fs::path& folder) {
  const std::string stem = fmt::format("events.out.tfevents.{:010}.{}.{}", static_cast<int64_t>(wall_clock_seconds()),
                                       host_name(), ::getpid());
  for (int number = 0;; ++number) {
    fs::path path = folder / fmt::format("{}.{}", stem, number);
    if (!fs::exists(path)) return path;
  }
}

// Where a PNG file says how large it is: in its first chunk, after eight bytes of signature and eight of the chunk's
// head.
constexpr size_t kPngWidth = 16;
constexpr size_t kPngHeight = 20;

int32_t big_endian_at(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < sizeof(number); ++i) number = (number << 8) | static_cast<uint8_t>(bytes.at(at + i));
  return static_cast<int32_t>(number);
}

tensorboard::Event event_at(int epoch) {
  tensorboard::Event event;
  event.set_wall_time(wall_clock_seconds());
  event.set_step(epoch);
  return event;
}

void add_scalar(tensorboard::Summary& summary, const char* tag, double value) {
  tensorboard::Summary::Value* scalar = summary.add_value();
  scalar->set_tag(tag);
  scalar->set_simple_value(static_cast<float>(value));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t value = ~uint32_t{0};
  for (const char byte : bytes) value = kByteTable[(value ^ static_cast<uint8_t>(byte)) & 0xff] ^ (value >> 8);
  return ~value;
}

uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + kMaskDelta; }

std::string tfrecord(std::string_view bytes) {
  std::string record;
  append_little_endian(record, static_cast<uint64_t>(bytes.size()));
  append_little_endian(record, masked_crc32c(record));
  record += bytes;
  append_little_endian(record, masked_crc32c(bytes));
  return record;
}

TensorBoardWriter::TensorBoardWriter(const fs::path& folder, int first_epoch)
    : path_(unused_path(folder)), file_(path_, std::ios::binary) {
  if (!file_) throw machine_error(fmt::format("{}: cannot be written: {}", path_.string(), errno_text(errno)));
  tensorboard::Event version = event_at(0);
  version.set_file_version("brain.Event:2");
  write_record(version.SerializeAsString());
  tensorboard::Event start = event_at(first_epoch);
  start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
  write_record(start.SerializeAsString());
}

void TensorBoardWriter::add_epoch(const EpochRecord& record) {
  tensorboard::Event event = event_at(record.epoch);
  tensorboard::Summary& summary = *event.mutable_summary();
  add_scalar(summary, "loss/train", record.loss);
  if (record.validated()) add_scalar(summary, "loss/validation", record.val_loss);
  add_scalar(summary, "accuracy/train", record.accuracy);
  if (record.validated()) add_scalar(summary, "accuracy/validation", record.val_accuracy);
  add_scalar(summary, "learning_rate", record.learning_rate);
  add_scalar(summary, "images_per_second", record.images_per_second);
  write_record(event.SerializeAsString());
}

void TensorBoardWriter::add_picture(const std::string& tag, int epoch, const std::string& png) {
  tensorboard::Event event = event_at(epoch);
  tensorboard::Summary::Value* value = event.mutable_summary()->add_value();
  value->set_tag(tag);
  tensorboard::Summary::Image& image = *value->mutable_image();
  image.set_width(big_endian_at(png, kPngWidth));
  image.set_height(big_endian_at(png, kPngHeight));
  image.set_colorspace(1);
  image.set_encoded_image_string(png);
  write_record(event.SerializeAsString());
}

void TensorBoardWriter::write_record(std::string_view bytes) {
  file_ << tfrecord(bytes) << std::flush;
  if (!file_) {
    throw machine_error(fmt::format("{}: writing failed: {}", path_.string(), errno_text(errno)),
                        "Is the disk full, or a quota reached?");
  }
}

}  // namespace fer_ddp
