// JPEG by libjpeg-turbo. The library reports errors by a function that must not return: here a long jump to the call
// that failed, which then throws. Nothing on the way has a destructor: all state is in the decoder.
#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>  // jpeglib.h wants it before
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <vector>

#include "data/picture_codecs.h"

namespace fer_ddp {

namespace {

// More than the coefficients of a progressive picture of kMostPicturePixels in four channels.
constexpr long kMostJpegMemory = 768L << 20;

// Ten are usual. Each goes over the whole picture and may be a few bytes long.
constexpr int kMostScans = 100;

constexpr size_t kExifMarkBytes = 6;
constexpr std::array<uint8_t, kExifMarkBytes> kExifMark = {'E', 'x', 'i', 'f', 0, 0};

class JpegDecoder {
 public:
  JpegDecoder(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) { of(jpeg).jump(); };
    errors_.emit_message = [](j_common_ptr jpeg, int level) { of(jpeg).heed(level); };
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = [](j_common_ptr jpeg) { of(jpeg).count_scans(); };
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&jpeg_); }

  StoredPicture decode() {
    read_header();
    const int orientation = saved_orientation();
    const bool is_coloured = jpeg_.num_components > 1;
    start();
    GreyPicture picture{static_cast<int>(jpeg_.output_width), static_cast<int>(jpeg_.output_height), {}, is_coloured};
    read_rows(picture);
    call([&] { jpeg_finish_decompress(&jpeg_); });
    return {std::move(picture), orientation};
  }

 private:
  static JpegDecoder& of(j_common_ptr jpeg) { return *static_cast<JpegDecoder*>(jpeg->client_data); }

  // Calls libjpeg; what it complains of is thrown. `work` has nothing that needs a destructor.
  template <typename Work>
  void call(const Work& work) {
    // The library's own way out of an error: an exception must not pass through C.
    if (setjmp(way_out_) != 0) throw fault();
    work();
  }
  [[noreturn]] void jump() { std::longjmp(way_out_, 1); }

  // Warnings say that the library has made up what was missing, but for those of what does no harm.
  void heed(int level) {
    if (level >= 0) return;
    const int code = errors_.msg_code;
    if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM || code == JWRN_BOGUS_ICC ||
        code == JWRN_NOT_SEQUENTIAL)
      return;
    jump();
  }

  void count_scans() {
    if (jpeg_.input_scan_number <= kMostScans) return;
    has_too_many_scans_ = true;
    jump();
  }

  [[nodiscard]] Error fault() {
    if (has_too_many_scans_) return damaged_picture(name_, fmt::format("it has more than {} scans", kMostScans));
    if (errors_.msg_code == JWRN_JPEG_EOF || errors_.msg_code == JERR_INPUT_EOF) return cut_picture(name_);
    const int code = errors_.msg_code;
    if (code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED || code == JERR_CONVERSION_NOTIMPL)
      return user_error(name_ + ": is a kind of JPEG that is not read", "Save it as an ordinary JPEG.");
    std::array<char, JMSG_LENGTH_MAX> text{};
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), text.data());
    return damaged_picture(name_, text.data());
  }

  void read_header() {
    call([&] {
      jpeg_create_decompress(&jpeg_);
      jpeg_.mem->max_memory_to_use = kMostJpegMemory;
      jpeg_.progress = &progress_;
      jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
      jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, 0xFFFF);
      jpeg_read_header(&jpeg_, TRUE);
    });
    require_bounded_picture(jpeg_.image_width, jpeg_.image_height, name_);
    if (jpeg_.arith_code == TRUE)
      throw user_error(name_ + ": is a JPEG picture with arithmetic coding, which few programs read",
                       "Save it as an ordinary JPEG or PNG picture.");
    require_enough_bytes();
  }

  // Huffman codes take at least one bit for each block of 8 x 8: a file that has fewer is cut short, and must not make
  // the library take memory for a large picture.
  void require_enough_bytes() const {
    uint64_t blocks = 0;
    for (int i = 0; i < jpeg_.num_components; ++i)
      blocks += uint64_t{jpeg_.comp_info[i].width_in_blocks} * jpeg_.comp_info[i].height_in_blocks;
    if (blocks / 8 > bytes_.size()) throw cut_picture(name_);
  }

  [[nodiscard]] int saved_orientation() const {
    for (const jpeg_marker_struct* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::span<const uint8_t> data(marker->data, marker->data_length);
      if (data.size() > kExifMarkBytes && std::equal(kExifMark.begin(), kExifMark.end(), data.begin()))
        return exif_orientation(data.subspan(kExifMarkBytes));
    }
    return 1;
  }

  void start() {
    const bool is_cmyk = jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK;
    jpeg_.out_color_space = is_cmyk ? JCS_CMYK : JCS_GRAYSCALE;  // the Y of YCbCr is BT.601's luma
    call([&] { jpeg_start_decompress(&jpeg_); });
  }

  void read_rows(GreyPicture& picture) {
    const auto width = static_cast<size_t>(picture.width);
    std::vector<uint8_t> row(width * static_cast<size_t>(jpeg_.output_components));
    picture.pixels.reserve(width * static_cast<size_t>(picture.height));
    for (int y = 0; y < picture.height; ++y) {
      JSAMPROW into = row.data();
      call([&] { jpeg_read_scanlines(&jpeg_, &into, 1); });
      if (jpeg_.output_components == 4) grey_of_cmyk(row);
      picture.pixels.insert(picture.pixels.end(), row.begin(), row.begin() + static_cast<ptrdiff_t>(width));
    }
  }

  // Ink on white, without a profile: red = (1 - cyan) (1 - black), and so on. Adobe stores 1 - ink.
  void grey_of_cmyk(std::vector<uint8_t>& row) const {
    const bool is_inverted = jpeg_.saw_Adobe_marker == TRUE;
    for (size_t x = 0; x < row.size() / 4; ++x) {
      const auto light = [&](size_t channel) -> unsigned {
        const unsigned value = row[4 * x + channel];
        return is_inverted ? value : 255 - value;
      };
      const auto colour = [&](size_t channel) { return (light(channel) * light(3) + 127) / 255; };
      row[x] = luma(colour(0), colour(1), colour(2));
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf way_out_{};
  bool has_too_many_scans_ = false;
};

}  // namespace

StoredPicture decode_jpeg(std::span<const std::byte> bytes, const std::string& name) {
  return JpegDecoder(bytes, name).decode();
}

}  // namespace fer_ddp
