#include "core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "core/error.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

class FileDescriptor {
 public:
  FileDescriptor(const fs::path& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) throw machine_error(fmt::format("{}: cannot be opened: {}", path.string(), errno_text(errno)));
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { ::close(descriptor_); }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

void write_all(const FileDescriptor& file, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      throw machine_error(fmt::format("{}: writing failed: {}", path.string(), errno_text(errno)),
                          "Is the disk full, or a quota reached?");
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

}  // namespace

fs::path partial_path(const fs::path& final_path) {
  return folder_of(final_path) / fmt::format(".{}.partial", final_path.filename().string());
}

void sync_to_disk(const fs::path& path) {
  const FileDescriptor file(path, O_RDONLY);
  if (::fsync(file.get()) != 0)
    throw machine_error(fmt::format("{}: fsync failed: {}", path.string(), errno_text(errno)));
}

void publish(const fs::path& final_path) {
  std::error_code failure;
  fs::rename(partial_path(final_path), final_path, failure);
  if (failure)
    throw machine_error(fmt::format("{}: cannot be put in place: {}", final_path.string(), failure.message()));
  sync_to_disk(folder_of(final_path));
}

void write_file_atomically(const fs::path& path, const ByteSource& content) {
  const fs::path aside = partial_path(path);
  try {
    {
      const FileDescriptor file(aside, O_WRONLY | O_CREAT | O_TRUNC);
      content([&](std::span<const std::byte> bytes) { write_all(file, bytes, path); });
      if (::fsync(file.get()) != 0)
        throw machine_error(fmt::format("{}: fsync failed: {}", path.string(), errno_text(errno)));
    }
    publish(path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(aside, ignored);
    throw;
  }
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  write_file_atomically(path, [&](const ByteSink& to) { to(std::as_bytes(std::span(text))); });
}

std::string read_file(const fs::path& path) {
  if (fs::is_directory(path)) throw user_error(fmt::format("{}: is a folder, expected a file", path.string()));
  std::ifstream file(path, std::ios::binary);
  if (!file) throw user_error(fmt::format("{}: cannot be read: {}", path.string(), errno_text(errno)));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void make_folder(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) throw user_error(fmt::format("{}: the folder cannot be made: {}", path.string(), failure.message()));
}

}  // namespace fer_ddp
