// Scalars and pictures for TensorBoard: an event file in the run's folder,
// events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER, with each epoch's metrics at step = epoch (from 0). Each start of a
// run opens a file of its own; TensorBoard joins them. Rank 0 alone, one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/epoch_record.h"

namespace fer_ddp {

class TensorBoardWriter {
 public:
  // Makes a new file in `folder`. What earlier files say about `first_epoch` and later ones no longer counts: a resumed
  // run does them again. Throws Error if the file cannot be made.
  TensorBoardWriter(const std::filesystem::path& folder, int first_epoch);

  // Adds loss/train, accuracy/train, learning_rate and images_per_second, loss/validation and accuracy/validation where
  // the epoch was validated, and hands them to the operating system at once. Throws Error if that fails.
  void add_epoch(const EpochRecord& record);

  // Adds a grey PNG file, at an epoch. Throws as add_epoch().
  void add_picture(const std::string& tag, int epoch, const std::string& png);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void write_record(std::string_view bytes);

  std::filesystem::path path_;
  std::ofstream file_;
};

// CRC-32C (Castagnoli), and the masked form in which TFRecord files carry it: rotated right by 15 bits, plus a
// constant, so that a checksum of data that holds checksums stays a good one.
[[nodiscard]] uint32_t crc32c(std::string_view bytes);
[[nodiscard]] uint32_t masked_crc32c(std::string_view bytes);

// A TFRecord: the length, its masked checksum, the bytes, their masked checksum; little-endian.
[[nodiscard]] std::string tfrecord(std::string_view bytes);

}  // namespace fer_ddp
