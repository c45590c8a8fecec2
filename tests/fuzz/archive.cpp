// An archive of any sort: what comes out of it lies below the folder that it would be unpacked to, and has an end.
#include "data/archive.h"

#include <vector>

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

namespace {

constexpr int64_t kMostBytes = int64_t{8} << 20;  // besides 20 times the input

void require_within(const std::filesystem::path& path) {
  require(!path.empty() && path.is_relative(), "a path that leads elsewhere");
  for (const std::filesystem::path& part : path) require(part != "..", "a path that climbs");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  is_taken([&] {
    ArchiveReader reader(std::as_bytes(std::span(data, size)), "archive", kMostBytes);
    std::vector<char> block(65536);
    size_t unpacked = 0;
    while (const std::optional<ArchiveEntry> entry = reader.next()) {
      require_within(entry->path);
      if (entry->is_folder) continue;
      for (size_t got = reader.read(block); got > 0; got = reader.read(block)) unpacked += got;
      require(unpacked <= kMostBytes + 20 * size, "more than the bound");
    }
  });
  return 0;
}
