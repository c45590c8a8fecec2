// Words and numbers as people read them: digits grouped by thousands, durations, and the nearest known word to a
// mistyped one. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

// 35887 -> "35,887".
[[nodiscard]] std::string grouped(int64_t number);

// A number rounded to a whole one and grouped; one that is too large for that, or none at all, as metric_text() says
// it.
[[nodiscard]] std::string grouped_rounded(double number);

// Seconds as "8 s", "3 min 20 s" or "2 h 05 min".
[[nodiscard]] std::string human_duration(double seconds);

// Four decimals, "nan" for NaN of either sign: how people read a loss or an accuracy.
[[nodiscard]] std::string fixed_text(double value);

// Seven significant digits, shortest form, "nan" for NaN: how history.csv and replay print metrics.
[[nodiscard]] std::string metric_text(double value);

// The word of `known` with the smallest edit distance to `word`, or an empty text where none is within half of the
// word's length.
[[nodiscard]] std::string nearest_word(std::string_view word, std::span<const std::string> known);

// What an error of LibTorch says before its stack trace and general advice.
[[nodiscard]] std::string first_line(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

// The text with U+FFFD in place of each byte that is not UTF-8.
[[nodiscard]] std::string utf8_text(std::string_view text);

// The text with U+FFFD in place of each control character (C0, DEL and C1, line ends among them) and each byte that is
// not UTF-8: names that strangers gave must not steer a terminal.
[[nodiscard]] std::string printable_text(std::string_view text);

// The lines of a text, without their ends; a last line may have none.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

// The columns of a terminal that the text takes: two for a wide character, as of Chinese, none for a combining one.
[[nodiscard]] int terminal_columns(std::string_view text);

// As much of the text as `columns` columns hold; and that, filled up with blanks to as many.
[[nodiscard]] std::string cut_to_columns(std::string_view text, int columns);
[[nodiscard]] std::string fitted_to_columns(std::string_view text, int columns);

// "a, b or c".
[[nodiscard]] std::string joined_choices(std::span<const std::string> words);

}  // namespace fer_ddp
