// Picture files for tests, encoded by the libraries that the project decodes with: patterns that tell every pixel from
// its neighbours, and EXIF blocks made by hand.
#pragma once

#include <png.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
// clang-format off
#include <jpeglib.h>
// clang-format on

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"

namespace fer_ddp {

// Samples as they lie in the file: [height, width, channels], packed to whole bytes a row where `bits` is below 8.
struct RawPicture {
  int width = 0;
  int height = 0;
  int channels = 1;
  std::vector<uint8_t> samples;
};

// Any value of x, y and channel.
inline RawPicture made_picture(int width, int height, int channels = 1) {
  RawPicture picture{width, height, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int channel = 0; channel < channels; ++channel)
        picture.samples.push_back(static_cast<uint8_t>((x * 7 + y * 13 + x * y + channel * 85) % 256));
    }
  }
  return picture;
}

// EXIF data with this orientation alone.
inline std::string made_exif(int orientation, bool is_big_endian) {
  std::string exif = is_big_endian ? "MM" : "II";
  const auto add = [&](uint32_t value, int length) {
    for (int i = 0; i < length; ++i) exif += static_cast<char>(value >> 8 * (is_big_endian ? length - 1 - i : i));
  };
  add(42, 2);
  add(8, 4);
  add(2, 2);  // entries: the width of the picture, which means nothing here, and the orientation
  for (const auto& [tag, value] : {std::pair{0x0100, 999}, {0x0112, orientation}}) {
    add(static_cast<uint32_t>(tag), 2);
    add(3, 2);
    add(1, 4);
    add(static_cast<uint32_t>(value), 2);
    add(0, 2);
  }
  add(0, 4);
  return exif;
}

struct PngOptions {
  int colour_type = PNG_COLOR_TYPE_GRAY;
  int bits = 8;
  bool is_interlaced = false;
  std::string exif{};
  std::function<void(png_structp, png_infop)> more{};  // palette, transparency
};

inline std::string encode_png(const RawPicture& picture, const PngOptions& options = {}) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png)) != 0) std::abort();  // a mistake of the test
  png_set_write_fn(
      png, &bytes,
      [](png_structp of, png_bytep data, size_t length) {
        static_cast<std::string*>(png_get_io_ptr(of))->append(reinterpret_cast<const char*>(data), length);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(picture.width), static_cast<png_uint_32>(picture.height),
               options.bits, options.colour_type, options.is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (options.more) options.more(png, info);
  if (!options.exif.empty())
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(options.exif.size()),
                   reinterpret_cast<png_bytep>(const_cast<char*>(options.exif.data())));
  png_write_info(png, info);
  const int passes = png_set_interlace_handling(png);
  const size_t row_bytes = png_get_rowbytes(png, info);
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t row = 0; row < static_cast<size_t>(picture.height); ++row)
      png_write_row(png, picture.samples.data() + row * row_bytes);
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

struct JpegOptions {
  J_COLOR_SPACE given = JCS_GRAYSCALE;   // of the samples
  J_COLOR_SPACE stored = JCS_GRAYSCALE;  // in the file
  int quality = 95;
  bool is_progressive = false;
  std::string exif{};
  std::function<void(jpeg_compress_struct&)> more{};  // before the first row
};

inline std::string encode_jpeg(const RawPicture& picture, const JpegOptions& options = {}) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);  // which ends the process: a mistake of the test
  jpeg_create_compress(&jpeg);
  unsigned char* memory = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's own
  jpeg_mem_dest(&jpeg, &memory, &size);
  jpeg.image_width = static_cast<JDIMENSION>(picture.width);
  jpeg.image_height = static_cast<JDIMENSION>(picture.height);
  jpeg.input_components = picture.channels;
  jpeg.in_color_space = options.given;
  jpeg_set_defaults(&jpeg);
  jpeg_set_colorspace(&jpeg, options.stored);
  jpeg_set_quality(&jpeg, options.quality, TRUE);
  if (options.is_progressive) jpeg_simple_progression(&jpeg);
  if (options.more) options.more(jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  if (!options.exif.empty()) {
    const std::string marker = std::string("Exif\0\0", 6) + options.exif;
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(marker.data()),
                      static_cast<unsigned>(marker.size()));
  }
  const size_t row_bytes = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.channels);
  for (size_t row = 0; row < static_cast<size_t>(picture.height); ++row) {
    auto* samples = const_cast<JSAMPROW>(picture.samples.data() + row * row_bytes);
    jpeg_write_scanlines(&jpeg, &samples, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string bytes(reinterpret_cast<const char*>(memory), size);
  jpeg_destroy_compress(&jpeg);
  std::free(memory);
  return bytes;
}

}  // namespace fer_ddp
