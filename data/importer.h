// What every form of input becomes: numbered rows, each with a picture, a label and perhaps the official split's word
// on where it belongs. One class for each family of forms implements this; open_importer picks it by the input's
// content, never by its name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/error.h"
#include "data/image_rows.h"
#include "data/manifest.h"
#include "data/sampler.h"
#include "data/split.h"

namespace fer_ddp {

// Reads rows on one thread: each thread has its own.
class RowReader {
 public:
  RowReader() = default;
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;
  virtual ~RowReader() = default;

  // Reads `source_rows` (ascending) into images and labels of that many rows. Throws Error (the user's fault) naming
  // file, row and reason where a row is broken.
  virtual void read(std::span<const int32_t> source_rows, std::span<uint8_t> images, std::span<uint8_t> labels) = 0;

  // Reads all rows of the range and drops them: throws the Error of the lowest broken one.
  virtual void check(PositionRange rows) = 0;
};

// How many of the rows that were read so far are not the pictures that the input holds.
struct PictureChanges {
  int64_t scaled = 0;       // to 48 x 48
  int64_t cropped = 0;      // to the middle square, before that
  int64_t turned_grey = 0;  // from colour, even if that was grey
};

// Thread-safe.
class Importer {
 public:
  Importer() = default;
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;
  virtual ~Importer() = default;

  [[nodiscard]] virtual const Source& source() const = 0;

  // Each row's official split; empty where the input does not say.
  [[nodiscard]] virtual const std::vector<Split>& usage() const = 0;

  // The Error (the user's fault) that says why usage() is empty.
  [[nodiscard]] virtual Error missing_usage(const std::filesystem::path& input) const {
    return user_error(input.string() + ": does not say which official split its rows are in", "Use --split seed.");
  }

  // Not collective. The importer outlives it.
  [[nodiscard]] virtual std::unique_ptr<RowReader> reader() const = 0;

  // Of what this rank's readers have read so far, each row once.
  [[nodiscard]] virtual PictureChanges changes() const { return {}; }

  // What people should know of the input besides, as far as it matters to the split; the same on all ranks.
  [[nodiscard]] virtual std::vector<std::string> remarks(SplitRule /*rule*/) const { return {}; }
};

// Collective; each rank works on `threads` threads. `scratch` is a folder that all ranks see, for what must be
// unpacked; the caller removes it. Throws AgreedError (the user's fault) where the input is missing, of no known form,
// or broken.
[[nodiscard]] std::unique_ptr<Importer> open_importer(const std::filesystem::path& input,
                                                      const std::filesystem::path& scratch, int threads,
                                                      Communicator& communicator);

// Whether `input` is, to the byte, what `source` tells of: a file, or a folder of pictures. Reads all of it. Throws
// Error where it cannot.
[[nodiscard]] bool is_source(const Source& source, const std::filesystem::path& input);

// Which rows of the input each split has. Throws Error (the user's fault), naming `input`, where the rule goes by what
// the input does not say.
[[nodiscard]] SplitRows split_rows(const Importer& importer, SplitRule rule, const std::filesystem::path& input);

}  // namespace fer_ddp
