// The one thing of EXIF that changes what a picture shows: its orientation.
#include "data/picture_codecs.h"

namespace fer_ddp {

namespace {

// Numbers of a TIFF block, whose byte order is its own. Reading beyond the end gives 0, which nothing below takes for
// a value.
class TiffBlock {
 public:
  TiffBlock(std::span<const uint8_t> bytes, bool is_big_endian) : bytes_(bytes), is_big_endian_(is_big_endian) {}

  [[nodiscard]] uint32_t number(size_t offset, size_t length) const {
    if (offset > bytes_.size() || length > bytes_.size() - offset) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < length; ++i) value = value << 8 | bytes_[offset + (is_big_endian_ ? i : length - 1 - i)];
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  bool is_big_endian_;
};

}  // namespace

int exif_orientation(std::span<const uint8_t> exif) {
  constexpr uint32_t kOrientationTag = 0x0112, kShort = 3;
  constexpr size_t kEntryBytes = 12;
  const bool is_big_endian = exif.size() > 1 && exif[0] == 'M' && exif[1] == 'M';
  if (!is_big_endian && !(exif.size() > 1 && exif[0] == 'I' && exif[1] == 'I')) return 1;
  const TiffBlock block(exif, is_big_endian);
  if (block.number(2, 2) != 42) return 1;
  const size_t directory = block.number(4, 4);
  const uint32_t entries = block.number(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (block.number(entry, 2) != kOrientationTag || block.number(entry + 2, 2) != kShort) continue;
    const uint32_t orientation = block.number(entry + 8, 2);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

}  // namespace fer_ddp
