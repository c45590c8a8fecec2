#include "data/source_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/error.h"
#include "data/block_checksum.h"

namespace fer_ddp {

SourceFile::SourceFile(const std::filesystem::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) {
    const int reason = errno;
    throw user_error(
        fmt::format("{}: cannot be read: {}", path.string(), errno_text(reason)),
        reason == ENOENT ? "Give the path of a fer2013.csv, or draw one: fer-ddp synthesize faces.csv" : "");
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw user_error(fmt::format("{}: is not a regular file", path.string()));
  }
  size_ = status.st_size;
}

SourceFile::~SourceFile() { ::close(descriptor_); }

void SourceFile::read(int64_t offset, std::span<char> into) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw machine_error(fmt::format("{}: reading failed: {}", path_.string(), errno_text(errno)));
    if (got == 0) throw user_error(fmt::format("{}: became shorter while it was read", path_.string()));
    into = into.subspan(static_cast<size_t>(got));
    offset += got;
  }
}

std::string SourceFile::head(int64_t length) const {
  std::string text(static_cast<size_t>(std::min(length, size_)), '\0');
  read(0, text);
  return text;
}

std::string SourceFile::checksum() const {
  BlockChecksums checksums;
  std::string piece(static_cast<size_t>(std::min(kReadAtOnce, size_)), '\0');
  for (int64_t begin = 0; begin < size_; begin += kReadAtOnce) {
    const std::span<char> part = std::span(piece).first(static_cast<size_t>(std::min(kReadAtOnce, size_ - begin)));
    read(begin, part);
    checksums.add(part);
  }
  checksums.end();
  return combined_checksum(checksums.digits());
}

}  // namespace fer_ddp
