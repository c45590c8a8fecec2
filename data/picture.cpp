#include "data/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/file_kind.h"
#include "data/picture_codecs.h"

namespace fer_ddp {

using namespace std::string_view_literals;

namespace {

constexpr std::string_view kConvert = "Save it as a JPEG or PNG picture.";
constexpr std::string_view kDownload = "The picture itself is elsewhere: copy or download it again.";

constexpr std::array kOtherKinds = {
    FileKind{8, "WEBP"sv, "a WebP picture", kConvert},
    FileKind{0, "GIF8"sv, "a GIF picture", kConvert},
    FileKind{4, "ftypavif"sv, "an AVIF picture", kConvert},
    FileKind{4, "ftyphei"sv, "a HEIC picture", kConvert},
    FileKind{4, "ftyphev"sv, "a HEIC picture", kConvert},
    FileKind{4, "ftypmif1"sv, "a HEIF picture", kConvert},
    FileKind{4, "ftypmsf1"sv, "a HEIF picture", kConvert},
    FileKind{4, "ftyp"sv, "a video", "Give a single picture of it, as JPEG or PNG."},
    FileKind{0, "\0\0\0\x0CjP  "sv, "a JPEG 2000 picture", kConvert},
    FileKind{0, "\xFF\x4F\xFF\x51"sv, "a JPEG 2000 picture", kConvert},
    FileKind{0, "\xFF\x0A"sv, "a JPEG XL picture", kConvert},
    FileKind{0, "\0\0\0\x0CJXL "sv, "a JPEG XL picture", kConvert},
    FileKind{0, "II*\0"sv, "a TIFF picture", kConvert},
    FileKind{0, "MM\0*"sv, "a TIFF picture", kConvert},
    FileKind{0, "BM"sv, "a BMP picture", kConvert},
    FileKind{0, "P5"sv, "a PGM picture", kConvert},
    FileKind{0, "P6"sv, "a PPM picture", kConvert},
    FileKind{0, "%PDF"sv, "a PDF file", kConvert},
    FileKind{0, "PK\x03\x04"sv, "a zip archive", "Unpack it and give the pictures inside."},
    FileKind{0, "\x1F\x8B"sv, "a gzip file", "Unpack it and give the pictures inside."},
    FileKind{0, "version https://git-lfs"sv, "a Git LFS pointer, not the picture", "Fetch it with git lfs pull."},
};

constexpr std::string_view kPngMark = "\x89PNG\r\n\x1A\n"sv;
constexpr std::string_view kJpegMark = "\xFF\xD8\xFF"sv;

[[noreturn]] void refuse(std::string_view head, const std::string& name) {
  const auto error = [&](std::string_view what, std::string_view advice) {
    return user_error(fmt::format("{}: is {}", name, what), std::string(advice));
  };
  if (head.empty()) throw error("empty", "Copy or download it again.");
  if (head.size() < kPngMark.size() && (kPngMark.starts_with(head) || kJpegMark.starts_with(head)))
    throw cut_picture(name);
  if (const FileKind* kind = find_kind(kOtherKinds, head)) throw error(kind->is, kind->advice);
  if (looks_like_html(head.starts_with("\xEF\xBB\xBF") ? head.substr(3) : head))
    throw error("a web page or other text with tags, not a picture", kDownload);
  throw error("not a picture of a known kind", "JPEG and PNG are read.");
}

// EXIF's orientations, by what they do to the upright picture's coordinates: where the pixel at (x, y) is stored.
//   1 upright      2 mirrored           3 turned by 180          4 mirrored top to bottom
//   5 transposed   6 turned left by 90  7 transposed across      8 turned right by 90
GreyPicture upright(StoredPicture stored) {
  if (stored.orientation == 1) return std::move(stored.picture);
  const bool is_transposed = stored.orientation >= 5;
  const bool is_mirrored = stored.orientation == 2 || stored.orientation == 3 || stored.orientation == 7 ||
                           stored.orientation == 8;  // across, as stored
  const bool is_flipped = stored.orientation == 3 || stored.orientation == 4 || stored.orientation == 6 ||
                          stored.orientation == 7;  // top to bottom, as stored
  const GreyPicture& from = stored.picture;
  GreyPicture to{from.width, from.height, std::vector<uint8_t>(from.pixels.size()), from.was_coloured};
  if (is_transposed) std::swap(to.width, to.height);
  size_t at = 0;
  for (int y = 0; y < to.height; ++y) {
    for (int x = 0; x < to.width; ++x, ++at) {
      int column = is_transposed ? y : x;
      int row = is_transposed ? x : y;
      if (is_mirrored) column = from.width - 1 - column;
      if (is_flipped) row = from.height - 1 - row;
      to.pixels[at] =
          from.pixels[static_cast<size_t>(row) * static_cast<size_t>(from.width) + static_cast<size_t>(column)];
    }
  }
  return to;
}

}  // namespace

void require_bounded_picture(int64_t width, int64_t height, const std::string& name) {
  constexpr int64_t kLongestSide = 65'500;  // JPEG's own
  if (width > kLongestSide || height > kLongestSide || width * height > kMostPicturePixels)
    throw user_error(fmt::format("{}: has {} x {} pixels, expected at most {} in all", name, grouped(width),
                                 grouped(height), grouped(kMostPicturePixels)),
                     "Save it smaller: a face is scaled to 48 x 48 pixels in any case.");
}

Error damaged_picture(const std::string& name, const std::string& reason) {
  return user_error(fmt::format("{}: is a damaged picture: {}", name, reason), "Copy or download it again.");
}

Error cut_picture(const std::string& name) {
  return user_error(name + ": is a picture whose file is cut short", "Copy or download it again.");
}

GreyPicture decode_picture(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 512));
  if (head.starts_with(kJpegMark)) return upright(decode_jpeg(bytes, name));
  if (head.starts_with(kPngMark)) return upright(decode_png(bytes, name));
  refuse(head, name);
}

}  // namespace fer_ddp
