#include "data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "data/picture_folder.h"
#include "data/source_file.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr size_t kBlock = size_t{256} << 10;

constexpr int64_t kMostInflation = 20;
constexpr int64_t kMostEntries = 5'000'000;
constexpr std::ptrdiff_t kDeepest = 16;  // folders within each other

bool is_within(const fs::path& path) { return path.is_relative() && *path.lexically_normal().begin() != ".."; }

bool has_parent_part(const fs::path& path) {
  return std::any_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

// libarchive gives names in the encoding of the thread's locale, which is "C" in a program that sets none: while this
// lives it is UTF-8, where the system has it. Numbers and messages stay as they are.
class Utf8Names {
 public:
  Utf8Names() { ::uselocale(locale_); }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;
  ~Utf8Names() {
    ::uselocale(before_);
    if (locale_ != locale_t{}) ::freelocale(locale_);
  }

 private:
  locale_t before_ = ::uselocale(locale_t{});
  locale_t locale_ = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
};

// A tar that was cut between two of its files looks whole to libarchive: the blocks of zeros at its end tell.
bool has_tar_end(const SourceFile& file) {
  constexpr int64_t kTarBlock = 512;
  if (file.size() < 2 * kTarBlock) return false;
  std::array<char, 2 * kTarBlock> end{};
  file.read(file.size() - std::ssize(end), end);
  return std::all_of(end.begin(), end.end(), [](char byte) { return byte == 0; });
}

}  // namespace

// libarchive's handle.
class ArchiveReader::Library {
 public:
  Library(std::string name, int64_t most) : name_(std::move(name)), most_(most) {
    if (archive_ == nullptr) throw machine_error("out of memory");
    // Those that are expected, and no others: fewer parsers for a stranger's bytes.
    archive_read_support_filter_gzip(archive_);
    archive_read_support_format_tar(archive_);
    archive_read_support_format_zip(archive_);
    archive_read_support_format_7zip(archive_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() { archive_read_free(archive_); }

  void open_file(const fs::path& path) {
    const Utf8Names names;
    file_.emplace(path);
    require_opened(archive_read_open_filename(archive_, path.c_str(), kBlock));
  }
  void open_memory(std::span<const std::byte> bytes) {
    const Utf8Names names;
    require_opened(archive_read_open_memory(archive_, bytes.data(), bytes.size()));
  }

  std::optional<ArchiveEntry> next() {
    const Utf8Names names;
    archive_entry* entry = nullptr;
    const int outcome = archive_read_next_header(archive_, &entry);
    if (outcome == ARCHIVE_EOF) {
      require_whole_tar();
      return std::nullopt;
    }
    if (outcome != ARCHIVE_WARN) require(outcome);  // such as a name that the locale has no letters for
    if (++entries_ > kMostEntries) throw refusal(fmt::format("holds more than {} files", grouped(kMostEntries)));
    if (archive_entry_is_encrypted(entry) != 0) throw encrypted();
    return checked(entry);
  }

  size_t read(std::span<char> block) {
    const la_ssize_t got = archive_read_data(archive_, block.data(), block.size());
    if (got < 0) require(static_cast<int>(got));
    unpacked_ += got;
    if (unpacked_ > most_)
      throw refusal(fmt::format("unpacks to more than {} bytes, many times its own size", grouped(most_)));
    return static_cast<size_t>(got);
  }

 private:
  [[nodiscard]] Error refusal(const std::string& reason) const {
    return user_error(fmt::format("{}: {}", name_, reason),
                      "It is not as FER2013 comes: get it from where it was published, or unpack it with care.");
  }
  [[nodiscard]] Error encrypted() const {
    return user_error(name_ + ": is encrypted", "Unpack it with its password, and give what is inside.");
  }

  [[nodiscard]] Error damaged() const {
    const char* reason = archive_error_string(archive_);
    return user_error(fmt::format("{}: is a damaged archive: {}", name_, reason == nullptr ? "unreadable" : reason),
                      "Copy or download it again.");
  }

  void require_opened(int outcome) const {
    if (outcome != ARCHIVE_OK) throw damaged();
  }

  // Once it is open: libarchive 3.6 crashes where one that is not is asked for encrypted entries.
  void require(int outcome) const {
    if (outcome == ARCHIVE_OK) return;
    throw archive_read_has_encrypted_entries(archive_) > 0 ? encrypted() : damaged();
  }

  // Where there is no filter around it; gzip has a checksum of its own.
  void require_whole_tar() const {
    const bool is_tar = (archive_format(archive_) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    if (!is_tar || !file_ || archive_filter_count(archive_) > 1 || has_tar_end(*file_)) return;
    throw user_error(name_ + ": is an archive that has other bytes after its end, or is cut short",
                     "Copy or download it again.");
  }

  [[nodiscard]] ArchiveEntry checked(archive_entry* entry) const {
    const char* utf8 = archive_entry_pathname_utf8(entry);
    const char* name = utf8 != nullptr ? utf8 : archive_entry_pathname(entry);
    if (name == nullptr || *name == '\0') throw refusal("holds a file without a name that can be read");
    const fs::path path(name);
    if (!is_within(path)) throw refusal(fmt::format("holds {}, which would lie outside of its folder", name));
    if (has_parent_part(path)) throw refusal(fmt::format("holds {}, whose path has \"..\" in it", name));
    if (std::distance(path.begin(), path.end()) > kDeepest)
      throw refusal(fmt::format("holds {}, which lies in more than {} folders within each other", name, kDeepest - 1));
    const bool is_link = archive_entry_hardlink(entry) != nullptr || archive_entry_filetype(entry) == AE_IFLNK;
    if (is_link) throw refusal(fmt::format("holds {}, which is a link", name));
    const bool is_folder = archive_entry_filetype(entry) == AE_IFDIR;
    if (!is_folder && archive_entry_filetype(entry) != AE_IFREG)
      throw refusal(fmt::format("holds {}, which is no plain file", name));
    return {path.lexically_normal().string(), is_folder};
  }

  std::string name_;
  int64_t most_;
  archive* archive_ = archive_read_new();
  std::optional<SourceFile> file_{};
  int64_t unpacked_ = 0;
  int64_t entries_ = 0;
};

ArchiveReader::ArchiveReader(const fs::path& archive, int64_t always_unpacked)
    : library_(std::make_unique<Library>(
          archive.string(), always_unpacked + kMostInflation * static_cast<int64_t>(fs::file_size(archive)))) {
  library_->open_file(archive);
}

ArchiveReader::ArchiveReader(std::span<const std::byte> bytes, const std::string& name, int64_t always_unpacked)
    : library_(std::make_unique<Library>(name, always_unpacked + kMostInflation * std::ssize(bytes))) {
  library_->open_memory(bytes);
}

ArchiveReader::~ArchiveReader() = default;

std::optional<ArchiveEntry> ArchiveReader::next() { return library_->next(); }

size_t ArchiveReader::read(std::span<char> block) { return library_->read(block); }

namespace {

bool has_stray_part(const fs::path& path) {
  return std::any_of(path.begin(), path.end(), [](const fs::path& part) { return is_stray(part.string()); });
}

// The folder is new and holds no links, so that a path below it leads nowhere else.
void unpack_file(ArchiveReader& reader, const fs::path& to, const std::string& shown) {
  const auto failed = [&](int reason) {
    if (reason == ENOSPC || reason == EDQUOT || reason == EIO)
      return machine_error(fmt::format("{}: writing failed: {}", to.string(), errno_text(reason)),
                           "Is the disk full? The unpacked archive needs room beside the shards for a moment.");
    return user_error(fmt::format("{}: cannot be unpacked: {}", shown, errno_text(reason)),
                      "Unpack it, and give the file or the folder that is meant.");
  };
  std::error_code failure;
  fs::create_directories(to.parent_path(), failure);
  if (failure) throw failed(failure.value());
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(to.c_str(), "wbx"), &std::fclose);
  if (!file) throw failed(errno);
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  std::vector<char> block(kBlock);
  for (size_t got = reader.read(block); got > 0; got = reader.read(block)) {
    if (std::fwrite(block.data(), 1, got, file.get()) != got) throw failed(errno);
  }
  if (std::fclose(file.release()) != 0) throw failed(errno);
}

}  // namespace

void unpack_archive(const fs::path& archive, const fs::path& into, int64_t always_unpacked) {
  make_folder(into);
  ArchiveReader reader(archive, always_unpacked);
  while (const std::optional<ArchiveEntry> entry = reader.next()) {
    if (has_stray_part(entry->path)) continue;
    if (entry->is_folder)
      make_folder(into / entry->path);
    else
      unpack_file(reader, into / entry->path, fmt::format("{}, {}", archive.string(), entry->path));
  }
}

}  // namespace fer_ddp
