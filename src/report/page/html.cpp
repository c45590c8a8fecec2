#include "report/page/html.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>

#include "core/text.h"

namespace fer_ddp {

namespace {

constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kDash = "\u2013";
constexpr double kSmallestInFull = 0.0001;
constexpr double kLargestInFull = 1e6;  // a larger loss is written with a power of ten

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char letter : utf8_text(text)) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

std::string base64(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t triple = 0;
    for (size_t i = 0; i < 3; ++i) {
      const uint32_t byte = at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0U;
      triple = triple << 8 | byte;
    }
    const size_t digits = bytes.size() - at >= 3 ? 4 : bytes.size() - at + 1;
    for (size_t i = 0; i < 4; ++i) text += i < digits ? kBase64Digits[triple >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

std::string percent_text(double share, int decimals) {
  return std::isfinite(share) ? fmt::format("{:.{}f}\u00a0%", 100 * share, decimals) : std::string(kDash);
}

std::string loss_text(double loss) {
  if (!std::isfinite(loss)) return std::string(kDash);
  return std::abs(loss) < kLargestInFull ? fmt::format("{:.4f}", loss) : fmt::format("{:.6g}", loss);
}

std::string probability_text(double p) {
  if (p < kSmallestInFull) return fmt::format("<\u00a0{}", kSmallestInFull);
  return fmt::format("{:.2g}", p);
}

std::string epoch_name(int epoch) { return fmt::format("epoch\u00a0{}", int64_t{epoch} + 1); }

}  // namespace fer_ddp
