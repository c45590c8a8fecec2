// A file that several ranks read at once, each at its own offsets. Reading leaves no pages of the file in the process,
// so memory stays small however large the file is. Safe to read from several threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace fer_ddp {

class SourceFile {
 public:
  // Throws Error (the user's fault) where `path` is missing, a folder, or cannot be read.
  explicit SourceFile(const std::filesystem::path& path);
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;
  ~SourceFile();

  [[nodiscard]] int64_t size() const { return size_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  // Fills `into` from `offset` on. Throws Error where the file ends before.
  void read(int64_t offset, std::span<char> into) const;

  // The checksum that a manifest holds of the file (see block_checksum.h). Reads all of it.
  [[nodiscard]] std::string checksum() const;

  // The file's first bytes, at most `length`.
  [[nodiscard]] std::string head(int64_t length) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

}  // namespace fer_ddp
