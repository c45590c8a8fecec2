// The header of a CSV file of faces and rows under it, as both parsers of pixels see them.
#include "data/csv_row.h"

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

namespace {

void check_plain_parser(std::string_view pixels) {
  static std::array<uint8_t, kImagePixels> image;
  const bool is_sound = parse_pixels(pixels, image).empty();
  // It may look beyond the text's end.
  std::string padded(pixels);
  padded.resize(pixels.size() + kPixelTextReach);
  std::array<std::string_view, kPixelLanes> texts;
  texts.fill(std::string_view(padded).substr(0, pixels.size()));
  static std::array<uint8_t, kPixelLanes * kImagePixels> images;
  if (!parse_plain_pixels(texts, images)) return;
  require(is_sound, "the fast parser takes what the other refuses");
  for (size_t lane = 0; lane < kPixelLanes; ++lane)
    require(std::equal(image.begin(), image.end(), images.begin() + static_cast<ptrdiff_t>(lane * kImagePixels)),
            "the two parsers see different pixels");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = text_of(data, size);
  const size_t header = std::min(text.find('\n'), text.size());
  is_taken([&] {
    const CsvColumns columns = parse_csv_header(without_line_end(text.substr(0, header)), "fuzz.csv");
    text.remove_prefix(std::min(header + 1, text.size()));
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      const std::string_view row = without_line_end(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      static std::array<uint8_t, kImagePixels> image;
      uint8_t label = 0;
      const bool is_sound = parse_csv_row(row, columns, label, image).empty();
      require(!is_sound || label < kExpressionCount, "a label that is none");
      if (CsvFields fields; split_csv_row(row, columns, fields)) check_plain_parser(fields.pixels);
    }
  });
  return 0;
}
