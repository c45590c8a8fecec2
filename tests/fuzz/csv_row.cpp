// The header of a CSV file of faces and rows under it, as both parsers of pixels see them.
#include "data/csv_row.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

namespace {

// Of up to as many texts as it has lanes, which they take in turns: where the fast parser takes them all, the other
// must take each and see the same pixels.
void check_plain_parser(std::span<const std::string_view> pixels) {
  std::array<std::string, kPixelLanes> padded;  // it may look beyond a text's end
  std::array<std::string_view, kPixelLanes> texts;
  for (size_t lane = 0; lane < kPixelLanes; ++lane) {
    const std::string_view text = pixels[lane % pixels.size()];
    padded[lane] = text;
    padded[lane].resize(text.size() + kPixelTextReach);
    texts[lane] = std::string_view(padded[lane]).substr(0, text.size());
  }
  static std::array<uint8_t, kPixelLanes * kImagePixels> images;
  if (!parse_plain_pixels(texts, images)) return;
  for (size_t row = 0; row < pixels.size(); ++row) {
    static std::array<uint8_t, kImagePixels> image;
    require(parse_pixels(pixels[row], image).empty(), "the fast parser takes what the other refuses");
    for (size_t lane = row; lane < kPixelLanes; lane += pixels.size())
      require(std::equal(image.begin(), image.end(), images.begin() + static_cast<ptrdiff_t>(lane * kImagePixels)),
              "the two parsers see different pixels");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = text_of(data, size);
  const size_t header = std::min(text.find('\n'), text.size());
  is_taken([&] {
    const CsvColumns columns = parse_csv_header(without_line_end(text.substr(0, header)), "fuzz.csv");
    text.remove_prefix(std::min(header + 1, text.size()));
    std::vector<std::string_view> pixels;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      const std::string_view row = without_line_end(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      static std::array<uint8_t, kImagePixels> image;
      uint8_t label = 0;
      const bool is_sound = parse_csv_row(row, columns, label, image).empty();
      require(!is_sound || label < kExpressionCount, "a label that is none");
      if (CsvFields fields; split_csv_row(row, columns, fields)) pixels.push_back(fields.pixels);
    }
    // Neighbours side by side, as the importer has them.
    for (std::span<const std::string_view> left(pixels); !left.empty();) {
      const std::span<const std::string_view> some = left.first(std::min<size_t>(kPixelLanes, left.size()));
      check_plain_parser(some);
      left = left.subspan(some.size());
    }
  });
  return 0;
}
