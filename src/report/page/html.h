// The small words of HTML: escaping, base64, numbers as the report prints them. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace fer_ddp {

// For text and for attributes in double quotes. A page is in UTF-8: other bytes are replaced.
[[nodiscard]] std::string escape_html(std::string_view text);

[[nodiscard]] std::string base64(std::string_view bytes);

// 0.5625 -> "56.3 %" with a space that does not break; a dash for NaN.
[[nodiscard]] std::string percent_text(double share, int decimals = 1);

// 1.25 -> "1.2500"; a dash for NaN.
[[nodiscard]] std::string loss_text(double loss);

// A p-value: "0.057", "< 0.0001", "1".
[[nodiscard]] std::string probability_text(double p);

// "epoch 8" for the epoch 7 of the files: people count from 1.
[[nodiscard]] std::string epoch_name(int epoch);

}  // namespace fer_ddp
