// PNG by libpng, which reports errors by a function that must not return: here a long jump to the call that failed,
// which then throws. Nothing on the way has a destructor: all state is in the decoder.
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "data/picture_codecs.h"

namespace fer_ddp {

namespace {

class PngDecoder {
 public:
  PngDecoder(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  StoredPicture decode() {
    read_header();
    GreyPicture picture{static_cast<int>(png_get_image_width(png_, info_)),
                        static_cast<int>(png_get_image_height(png_, info_)),
                        {},
                        (png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR) != 0};
    ask_for_8_bits();
    if (passes_ > 1)
      read_interlaced(picture);
    else
      read_rows(picture);
    call([&] { png_read_end(png_, nullptr); });
    return {std::move(picture), saved_orientation()};
  }

 private:
  static PngDecoder& of(png_structp png) { return *static_cast<PngDecoder*>(png_get_error_ptr(png)); }

  // Calls libpng; what it complains of is thrown. `work` has nothing that needs a destructor.
  template <typename Work>
  void call(const Work& work) {
    // The library's own way out of an error: an exception must not pass through C.
    if (setjmp(way_out_) != 0) throw is_cut_ ? cut_picture(name_) : damaged_picture(name_, reason_.data());
    work();
  }

  [[noreturn]] void fail(const char* reason) {
    std::snprintf(reason_.data(), reason_.size(), "%s", reason);
    std::longjmp(way_out_, 1);
  }

  void read_bytes(png_bytep into, size_t length) {
    if (length > bytes_.size() - read_) {
      is_cut_ = true;
      fail("");
    }
    std::memcpy(into, bytes_.data() + read_, length);
    read_ += length;
  }

  void read_header() {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this, [](png_structp png, png_const_charp reason) { of(png).fail(reason); },
        [](png_structp, png_const_charp) {});
    if (png_ == nullptr) throw machine_error("out of memory");
    call([&] {
      info_ = png_create_info_struct(png_);
      if (info_ == nullptr) fail("out of memory");
      // Sides are bounded below, with a better message.
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      // All that does not change pixels is passed over: libpng takes a chunk's word for how long it is, and for how
      // much it unpacks to.
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_set_read_fn(png_, this, [](png_structp png, png_bytep into, size_t length) {
        static_cast<PngDecoder*>(png_get_io_ptr(png))->read_bytes(into, length);
      });
      png_read_info(png_, info_);
    });
    require_bounded_picture(png_get_image_width(png_, info_), png_get_image_height(png_, info_), name_);
    require_enough_bytes();
  }

  // Deflate makes of one byte 1,032 at most: a file that has fewer is cut short, and must not make us take memory for a
  // large picture.
  void require_enough_bytes() const {
    constexpr uint64_t kMostInflation = 1032;
    if (png_get_rowbytes(png_, info_) * png_get_image_height(png_, info_) / kMostInflation > bytes_.size())
      throw cut_picture(name_);
  }

  // In the chunk eXIf (PNG's third edition, 11.3.5.2), read here: see above.
  [[nodiscard]] int saved_orientation() const {
    constexpr size_t kSignature = 8, kLength = 4, kHead = 8, kTail = 4;
    const auto* const data = reinterpret_cast<const uint8_t*>(bytes_.data());
    size_t at = kSignature;
    while (bytes_.size() - at >= kHead + kTail) {
      const size_t length = png_get_uint_32(data + at);
      if (length > bytes_.size() - at - kHead - kTail) break;
      if (std::memcmp(data + at + kLength, "eXIf", 4) == 0) return exif_orientation({data + at + kHead, length});
      at += kHead + length + kTail;
    }
    return 1;
  }

  // Grey or RGB of 8 bits a channel, with an alpha channel where the file has one, or one transparent colour.
  void ask_for_8_bits() {
    call([&] {
      png_set_expand(png_);
      png_set_scale_16(png_);
      passes_ = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    channels_ = png_get_channels(png_, info_);
  }

  void read_rows(GreyPicture& picture) {
    std::vector<uint8_t> row(png_get_rowbytes(png_, info_));
    for (int y = 0; y < picture.height; ++y) {
      call([&] { png_read_row(png_, row.data(), nullptr); });
      add_grey(row, picture);
    }
  }

  // Each pass fills in some of the pixels of all rows.
  void read_interlaced(GreyPicture& picture) {
    const size_t row_bytes = png_get_rowbytes(png_, info_);
    std::vector<uint8_t> rows(row_bytes * static_cast<size_t>(picture.height));
    for (int pass = 0; pass < passes_; ++pass) {
      for (size_t begin = 0; begin < rows.size(); begin += row_bytes)
        call([&] { png_read_row(png_, rows.data() + begin, nullptr); });
    }
    for (size_t begin = 0; begin < rows.size(); begin += row_bytes)
      add_grey(std::span(rows).subspan(begin, row_bytes), picture);
  }

  void add_grey(std::span<const uint8_t> row, GreyPicture& picture) const {
    const auto channels = static_cast<size_t>(channels_);
    const bool has_alpha = channels % 2 == 0;
    for (size_t at = 0; at < row.size(); at += channels) {
      const unsigned alpha = has_alpha ? row[at + channels - 1] : 255;
      const auto over_white = [&](size_t channel) {
        return (row[at + channel] * alpha + 255 * (255 - alpha) + 127) / 255;
      };
      picture.pixels.push_back(channels < 3 ? static_cast<uint8_t>(over_white(0))
                                            : luma(over_white(0), over_white(1), over_white(2)));
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  size_t read_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  int channels_ = 1;
  std::jmp_buf way_out_{};
  std::array<char, 200> reason_{};
  bool is_cut_ = false;
};

}  // namespace

StoredPicture decode_png(std::span<const std::byte> bytes, const std::string& name) {
  return PngDecoder(bytes, name).decode();
}

}  // namespace fer_ddp
