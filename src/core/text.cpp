#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cwchar>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace fer_ddp {

std::string grouped(int64_t number) {
  std::string digits = fmt::format("{}", number);
  const ptrdiff_t first = number < 0 ? 1 : 0;
  for (ptrdiff_t at = static_cast<ptrdiff_t>(digits.size()) - 3; at > first; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string grouped_rounded(double number) {
  constexpr double kLargest = 1e15;
  return std::abs(number) < kLargest ? grouped(std::llround(number)) : metric_text(number);
}

std::string human_duration(double seconds) {
  constexpr double kLongest = 1e12;
  if (!(seconds < kLongest)) return "ages";
  const auto whole = static_cast<int64_t>(std::llround(std::max(seconds, 0.0)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string fixed_text(double value) { return std::isnan(value) ? "nan" : fmt::format("{:.4f}", value); }

std::string metric_text(double value) { return std::isnan(value) ? "nan" : fmt::format("{:.7g}", value); }

namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// How many bytes the character at the beginning of `text` takes (RFC 3629); 0 where none begins there. Overlong forms,
// surrogates and what lies beyond U+10FFFF are no characters.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) >= 0xA0)) return 0;
  if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) >= 0x90)) return 0;
  return length;
}

// The columns of a character that is_utf8() knows as one, by the C library's table, which goes by the thread's locale.
// What has no width, such as a control character, counts 1.
class CharacterWidths {
 public:
  CharacterWidths() : before_(::uselocale(utf8_locale())) {}
  CharacterWidths(const CharacterWidths&) = delete;
  CharacterWidths& operator=(const CharacterWidths&) = delete;
  ~CharacterWidths() { ::uselocale(before_); }

  [[nodiscard]] int of(std::string_view character) const {
    if (character.size() == 1) return 1;
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
    auto code = static_cast<wchar_t>(byte(0) & (0x7F >> character.size()));
    for (size_t i = 1; i < character.size(); ++i) code = static_cast<wchar_t>(code << 6 | (byte(i) & 0x3F));
    const int width = ::wcwidth(code);
    return width < 0 ? 1 : width;
  }

 private:
  // The thread's own where there is no such locale.
  static locale_t utf8_locale() {
    static const locale_t locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
    return locale;
  }

  locale_t before_;
};

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = character_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string utf8_text(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t length = character_length(text);
    valid.append(length == 0 ? std::string_view("\uFFFD") : text.substr(0, length));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return valid;
}

std::string printable_text(std::string_view text) {
  std::string printable;
  while (!text.empty()) {
    const size_t length = character_length(text);
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const bool is_control =
        (length == 1 && (byte(0) < 0x20 || byte(0) == 0x7F)) || (length == 2 && byte(0) == 0xC2 && byte(1) < 0xA0);
    printable.append(length == 0 || is_control ? std::string_view("\uFFFD") : text.substr(0, length));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return printable;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

namespace {

// How many bytes at the beginning of `text` fit into `columns`, and how many columns they take. Stray bytes take one.
std::pair<size_t, int> part_that_fits(std::string_view text, int columns) {
  const CharacterWidths widths;  // they hold while this lives
  size_t bytes = 0;
  int taken = 0;
  while (bytes < text.size()) {
    const size_t length = character_length(text.substr(bytes));
    const int width = length == 0 ? 1 : widths.of(text.substr(bytes, length));
    if (taken + width > columns) break;
    taken += width;
    bytes += std::max<size_t>(length, 1);
  }
  return {bytes, taken};
}

}  // namespace

int terminal_columns(std::string_view text) { return part_that_fits(text, std::numeric_limits<int>::max() - 2).second; }

std::string cut_to_columns(std::string_view text, int columns) {
  return std::string(text.substr(0, part_that_fits(text, columns).first));
}

std::string fitted_to_columns(std::string_view text, int columns) {
  const auto [bytes, taken] = part_that_fits(text, columns);
  return std::string(text.substr(0, bytes)) + std::string(static_cast<size_t>(std::max(0, columns - taken)), ' ');
}

std::string nearest_word(std::string_view word, std::span<const std::string> known) {
  std::string nearest;
  size_t nearest_distance = std::max<size_t>(word.size() / 2, 2) + 1;
  for (const std::string& candidate : known) {
    // No nearer than their lengths differ: a word of any length costs no more than a long key does.
    if (std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size()) >= nearest_distance) continue;
    const size_t distance = edit_distance(word, candidate);
    if (distance < nearest_distance) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  return nearest;
}

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

std::string joined_choices(std::span<const std::string> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace fer_ddp
