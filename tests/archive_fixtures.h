// Archives for tests, written by libarchive: of any format, with whatever entries, honest or not.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/atomic_file.h"

namespace fer_ddp {

struct MadeEntry {
  std::string path;
  std::string content;
  unsigned type = AE_IFREG;
  std::string link{};  // where a symbolic link (AE_IFLNK) or, of any other type, a hard link leads
};

enum class ArchiveKind { kTar, kTarGz, kZip, k7z };
inline constexpr std::array kArchiveKinds = {ArchiveKind::kTar, ArchiveKind::kTarGz, ArchiveKind::kZip,
                                             ArchiveKind::k7z};

inline std::string made_archive(ArchiveKind kind, const std::vector<MadeEntry>& entries,
                                const std::string& password = {}) {
  size_t room = 1 << 16;
  for (const MadeEntry& made : entries) room += made.content.size() + 4 * made.path.size() + 4096;
  std::string bytes(room, '\0');
  const auto require = [](int outcome) {
    if (outcome != ARCHIVE_OK) std::abort();  // a mistake of the test
  };
  archive* writer = archive_write_new();
  switch (kind) {
    case ArchiveKind::kTarGz:
      require(archive_write_add_filter_gzip(writer));
      [[fallthrough]];
    case ArchiveKind::kTar:
      require(archive_write_set_format_pax_restricted(writer));
      break;
    case ArchiveKind::kZip:
      require(archive_write_set_format_zip(writer));
      break;
    case ArchiveKind::k7z:
      require(archive_write_set_format_7zip(writer));
      break;
  }
  if (!password.empty()) {
    require(archive_write_set_options(writer, "zip:encryption=traditional"));
    require(archive_write_set_passphrase(writer, password.c_str()));
  }
  require(archive_write_set_bytes_in_last_block(writer, 1));
  size_t used = 0;
  require(archive_write_open_memory(writer, bytes.data(), bytes.size(), &used));
  for (const MadeEntry& made : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, made.path.c_str());
    archive_entry_set_filetype(entry, made.type);
    archive_entry_set_perm(entry, 0644);
    if (!made.link.empty() && made.type == AE_IFLNK) archive_entry_set_symlink(entry, made.link.c_str());
    if (!made.link.empty() && made.type != AE_IFLNK) archive_entry_set_hardlink(entry, made.link.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(made.content.size()));
    require(archive_write_header(writer, entry));
    if (!made.content.empty()) archive_write_data(writer, made.content.data(), made.content.size());
    archive_entry_free(entry);
  }
  require(archive_write_close(writer));
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

// All files below a folder, by name, each with `prefix` before its path.
inline std::vector<MadeEntry> entries_below(const std::filesystem::path& folder, const std::string& prefix = {}) {
  std::vector<MadeEntry> entries;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      entries.push_back({prefix + entry.path().lexically_relative(folder).string(), read_file(entry.path())});
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return entries;
}

}  // namespace fer_ddp
