// Curves in a terminal: each character is two by four dots of Unicode's braille patterns. A pure function.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace fer_ddp {

inline constexpr const char* kPlainText = "\033[0m";  // the escape sequence that ends a colour

struct TerminalCurve {
  std::vector<double> values;  // one an epoch; what is not finite leaves a gap
  const char* colour = "";     // an escape sequence; empty: the terminal's own
  bool dotted = false;         // told apart without colours, too
};

// `rows` lines of `columns` characters (escape sequences not counted), the vertical axis with its largest and smallest
// value on the left, and one line more that says which epochs they are. Later curves lie on top. At least 3 rows and 20
// columns are drawn.
[[nodiscard]] std::vector<std::string> braille_chart(std::span<const TerminalCurve> curves, int columns, int rows);

}  // namespace fer_ddp
