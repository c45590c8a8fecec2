#include "core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr size_t kFirstBlock = 4096;  // bytes read at first of what does not know its size, such as a pipe

class FileDescriptor {
 public:
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
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

// Whether the path is that of this very file.
bool is_file(const FileDescriptor& file, const fs::path& path) {
  struct stat own {};
  struct stat found {};
  return ::fstat(file.get(), &own) == 0 && ::stat(path.c_str(), &found) == 0 && found.st_dev == own.st_dev &&
         found.st_ino == own.st_ino;
}

Error reading_failed(const fs::path& path) {
  return machine_error(fmt::format("{}: reading failed: {}", path.string(), errno_text(errno)));
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

void publish(const fs::path& final_path, const PublishCheck& check) {
  if (check) check();
  std::error_code failure;
  fs::rename(partial_path(final_path), final_path, failure);
  if (failure)
    throw machine_error(fmt::format("{}: cannot be put in place: {}", final_path.string(), failure.message()));
  sync_to_disk(folder_of(final_path));
}

void write_file_atomically(const fs::path& path, const ByteSource& content, const PublishCheck& check) {
  // Also before anything is written: whoever took the folder over may be writing under the same name aside.
  if (check) check();
  const fs::path aside = partial_path(path);
  // A file of its own, never a leftover's: whoever was halted as they wrote that one may go on writing to it.
  static_cast<void>(::unlink(aside.c_str()));
  const FileDescriptor file(aside, O_WRONLY | O_CREAT | O_EXCL);  // open to the end, so that no other has its number
  try {
    content([&](std::span<const std::byte> bytes) { write_all(file, bytes, path); });
    if (::fsync(file.get()) != 0)
      throw machine_error(fmt::format("{}: fsync failed: {}", path.string(), errno_text(errno)));
    publish(path, [&] {
      if (check) check();
      if (!is_file(file, aside))
        throw machine_error(fmt::format("{}: another process writes the same file", path.string()),
                            "Does another program use this folder?");
    });
  } catch (...) {
    std::error_code ignored;
    if (is_file(file, aside)) fs::remove(aside, ignored);
    throw;
  }
}

void write_file_atomically(const fs::path& path, std::string_view text, const PublishCheck& check) {
  write_file_atomically(
      path, [&](const ByteSink& to) { to(std::as_bytes(std::span(text))); }, check);
}

std::string read_file(const fs::path& path, size_t most_bytes) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw user_error(fmt::format("{}: cannot be read: {}", path.string(), errno_text(errno)));
  const FileDescriptor file(descriptor);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) throw reading_failed(path);
  if (S_ISDIR(facts.st_mode)) throw user_error(fmt::format("{}: is a folder, expected a file", path.string()));
  const size_t size = S_ISREG(facts.st_mode) ? static_cast<size_t>(facts.st_size) : 0;
  const auto require_no_more = [&](size_t bytes) {
    if (bytes > most_bytes)
      throw user_error(fmt::format("{}: holds more than {} bytes, expected fewer", path.string(),
                                   grouped(static_cast<int64_t>(most_bytes))),
                       "Is it another file than was meant?");
  };
  require_no_more(size);
  std::string bytes(size + 1, '\0');  // one more, so that the file's end shows without asking for memory again
  size_t filled = 0;
  while (true) {
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw reading_failed(path);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    require_no_more(filled);
    if (filled == bytes.size()) bytes.resize(std::min(2 * filled + kFirstBlock, most_bytes + 1));
  }
  if (filled < size)
    throw machine_error(fmt::format("{}: ended after {} of {} bytes", path.string(),
                                    grouped(static_cast<int64_t>(filled)), grouped(static_cast<int64_t>(size))),
                        "Did another program write to it at the same time?");
  bytes.resize(filled);
  return bytes;
}

void make_folder(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) throw user_error(fmt::format("{}: the folder cannot be made: {}", path.string(), failure.message()));
}

fs::path topmost_missing(fs::path path) {
  fs::path missing;
  for (; !path.empty() && !fs::exists(path); path = path.parent_path()) missing = path;
  return missing;
}

void remove_empty_folders(fs::path path, const fs::path& topmost) noexcept {
  std::error_code ignored;
  while (!topmost.empty() && fs::remove(path, ignored) && path != topmost) path = path.parent_path();
}

}  // namespace fer_ddp
