// Archives as they are downloaded: tar, tar.gz, zip and 7z, by libarchive. An archive is a stranger's word on what to
// write where, so nothing but plain files and folders comes out of one, below the folder that is given and nowhere
// else, and not without end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace fer_ddp {

// What an archive may unpack to: so many bytes, and twenty times its own size besides. Text packs to a third, pictures
// hardly; what swells far beyond that was made to fill a disk.
inline constexpr int64_t kAlwaysUnpacked = int64_t{1} << 30;

struct ArchiveEntry {
  std::string path;  // relative, without "." and ".."
  bool is_folder = false;
};

// Reads an archive from its beginning to its end. Everything it throws is an Error of the user's that names the
// archive: where that is damaged, cut short or encrypted, where an entry is a link or a device, or would lie outside of
// the folder it is unpacked to, and where there is too much in it.
class ArchiveReader {
 public:
  // Of a file.
  explicit ArchiveReader(const std::filesystem::path& archive, int64_t always_unpacked = kAlwaysUnpacked);
  // Of bytes in memory, which outlive it, called `name`.
  ArchiveReader(std::span<const std::byte> bytes, const std::string& name, int64_t always_unpacked = kAlwaysUnpacked);
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;
  ~ArchiveReader();

  // The next file or folder; none: that was all.
  [[nodiscard]] std::optional<ArchiveEntry> next();

  // The next bytes of that file, into `block`; returns how many, 0 at the file's end.
  [[nodiscard]] size_t read(std::span<char> block);

 private:
  class Library;
  std::unique_ptr<Library> library_;
};

// Unpacks all files but strays (see is_stray()) into the new folder `into`. Throws as ArchiveReader does; also where
// two entries have one path. What was unpacked before an error is left to the caller, who removes the folder.
void unpack_archive(const std::filesystem::path& archive, const std::filesystem::path& into,
                    int64_t always_unpacked = kAlwaysUnpacked);

}  // namespace fer_ddp
