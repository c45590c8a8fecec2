// A grey picture to draw on: rectangles, and text in a font of five by seven pixels that has the letters of the
// expressions' names, digits, "%" and "."; others are left blank. What reaches beyond the picture is cut off. A value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

class GreyCanvas {
 public:
  static constexpr int kColumnsOfLetter = 5;
  static constexpr int kRowsOfLetter = 9;  // the last two are below the line

  // White. Both at least 1.
  GreyCanvas(int width, int height);

  // Pixels that a text takes, and the letters that fit into `width` pixels, in letters of `scale` times the font's
  // pixels.
  [[nodiscard]] static int text_width(std::string_view text, int scale);
  [[nodiscard]] static int letters_within(int width, int scale);

  void fill(int left, int top, int width, int height, uint8_t grey);
  void write(std::string_view text, int left, int top, int scale, uint8_t grey);

  // Throws Error (the machine's fault) if libpng fails.
  [[nodiscard]] std::string png() const;

 private:
  int width_;
  int height_;
  std::vector<uint8_t> pixels_;
};

}  // namespace fer_ddp
