#include "data/pixel_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/text.h"

namespace fer_ddp {

std::string excerpt(std::string_view text, size_t longest) {
  std::string shown(text.substr(0, longest));
  for (char& letter : shown) {
    if (letter < ' ' || letter > '~') letter = '?';
  }
  return text.size() > longest ? shown + "..." : shown;
}

namespace {

bool is_blank(char letter) { return letter == ' ' || letter == '\t'; }

// Takes the next word and the blanks before it off the text; empty at the end.
std::string_view take_word(std::string_view& text) {
  const auto begin = std::find_if_not(text.begin(), text.end(), is_blank);
  const auto end = std::find_if(begin, text.end(), is_blank);
  const std::string_view word(begin, end);
  text = {end, text.end()};
  return word;
}

// The number, or -1 where the word is not one from 0 to 255.
int pixel_value(std::string_view word) {
  int value = 0;
  for (const char digit : word) {
    if (digit < '0' || digit > '9') return -1;
    value = std::min(value * 10 + (digit - '0'), 256);
  }
  return value <= 255 ? value : -1;
}

}  // namespace

std::string parse_pixels(std::string_view text, Image image) {
  int64_t count = 0;
  for (std::string_view word = take_word(text); !word.empty(); word = take_word(text), ++count) {
    const int value = pixel_value(word);
    if (value < 0)
      return fmt::format("pixel {} is {}, expected a whole number from 0 to 255", grouped(count + 1), excerpt(word));
    if (count < kImagePixels) image[static_cast<size_t>(count)] = static_cast<uint8_t>(value);
  }
  if (count == kImagePixels) return {};
  return fmt::format("{} {}, expected {} ({} x {})", grouped(count), count == 1 ? "pixel" : "pixels",
                     grouped(kImagePixels), kImageSide, kImageSide);
}

namespace {

static_assert(std::endian::native == std::endian::little,
              "the four letters of a number are taken as one word, first letter lowest");

// What was wrong anywhere in the texts, kept without a branch until the end.
struct Faults {
  uint32_t gaps = 0;     // low byte: differences of the letters after numbers from a space
  uint32_t letters = 0;  // bits of 0x808080: letters that are not digits
  uint32_t excess = 0;   // highest bit: numbers over 255

  [[nodiscard]] bool none() const { return ((gaps & 0xffU) | (letters & 0x00808080U) | (excess & 0x80000000U)) == 0; }
};

// Takes a number and the space after it off the text that begins at `at`, without a branch on the number's length.
inline uint8_t take_number(const char*& at, Faults& faults) {
  uint32_t word;
  std::memcpy(&word, at, sizeof(word));
  // Digits have bit 4 set; space, comma, quote and line ends have not. A number ends after three digits at the latest.
  const uint32_t ends = (~word & 0x00101000U) | 0x10000000U;
  const int length = std::countr_zero(ends) - 4;  // in bits: 8, 16 or 24
  at += length / 8 + 1;
  faults.gaps |= (word >> length) ^ ' ';
  const uint32_t digits = ((word ^ 0x30303030U) << (24 - length)) & 0x00ffffffU;  // hundreds lowest, ones highest
  faults.letters |= (digits + 0x00767676U) | digits;
  faults.excess |= 0x02050500U - __builtin_bswap32(digits);  // turned round, digits compare as their number does
  return static_cast<uint8_t>((digits * (1 + (10 << 8) + (100 << 16))) >> 16);
}

// The last number has no space after it, and must end where the text does.
bool take_last_number(const char* at, std::string_view text, uint8_t& pixel) {
  const char* const end = text.data() + text.size();
  if (at >= end || end - at > 3) return false;
  const int value = pixel_value({at, end});
  pixel = static_cast<uint8_t>(value);
  return value >= 0;
}

}  // namespace

bool parse_plain_pixels(const std::array<std::string_view, kPixelLanes>& texts, ImageLanes images) {
  // Where a number begins is only known once the one before it has been measured, so one text leaves the processor
  // waiting: with several side by side it always has something to do. They are spelled out because GCC would pack an
  // array of pointers into vector registers, which is slower.
  const char* at0 = texts[0].data();
  const char* at1 = texts[1].data();
  const char* at2 = texts[2].data();
  const char* at3 = texts[3].data();
  Faults faults;
  uint8_t* pixel = images.data();
  for (const uint8_t* const last = pixel + kImagePixels - 1; pixel != last; ++pixel) {
    pixel[0 * kImagePixels] = take_number(at0, faults);
    pixel[1 * kImagePixels] = take_number(at1, faults);
    pixel[2 * kImagePixels] = take_number(at2, faults);
    pixel[3 * kImagePixels] = take_number(at3, faults);
  }
  return faults.none() && take_last_number(at0, texts[0], pixel[0 * kImagePixels]) &&
         take_last_number(at1, texts[1], pixel[1 * kImagePixels]) &&
         take_last_number(at2, texts[2], pixel[2 * kImagePixels]) &&
         take_last_number(at3, texts[3], pixel[3 * kImagePixels]);
}

}  // namespace fer_ddp
