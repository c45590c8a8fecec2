// FER2013 as pictures in folders. Every picture becomes 48 x 48 grey pixels (see picture.h), the middle square of those
// that are not square; a row's errors name its file.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/importer.h"
#include "data/picture_folder.h"

namespace fer_ddp {

class PictureImporter final : public Importer {
 public:
  PictureImporter(PictureListing listing, std::string shown, Source source);

  [[nodiscard]] const Source& source() const override { return source_; }
  [[nodiscard]] const std::vector<Split>& usage() const override { return usage_; }
  [[nodiscard]] Error missing_usage(const std::filesystem::path& input) const override;
  [[nodiscard]] std::unique_ptr<RowReader> reader() const override;
  [[nodiscard]] PictureChanges changes() const override;
  [[nodiscard]] std::vector<std::string> remarks(SplitRule rule) const override;

 private:
  class Reader;

  // Reads the row's picture; notes what had to be changed.
  void read_row(int64_t row, std::span<uint8_t> image) const;

  PictureListing listing_;
  std::string shown_;
  Source source_;
  std::vector<Split> usage_;
  mutable std::vector<std::atomic<uint8_t>> changes_;  // of each row that was read
};

// Collective; each rank works on `threads` threads. The pictures below `root`, which is shown to people as `shown`: see
// list_pictures(). `source` is the archive that they were unpacked from, but for its rows; or it has no checksum: the
// folder itself, whose bytes are its pictures' and whose checksum is of their paths and checksums, in the order of
// rows.
[[nodiscard]] std::unique_ptr<Importer> open_pictures(const std::filesystem::path& root, const std::string& shown,
                                                      const Source& source, int threads, Communicator& communicator);

// What open_pictures() finds as the source of a folder of this path, but for its name, by one process.
[[nodiscard]] Source source_of_pictures(const std::filesystem::path& folder);

}  // namespace fer_ddp
