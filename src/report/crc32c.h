// CRC-32C (Castagnoli), and the masked form in which TFRecord files carry it, so that a checksum of data that holds
// checksums stays a good one. Pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace fer_ddp {

[[nodiscard]] uint32_t crc32c(std::string_view bytes);

// The checksum rotated right by 15 bits, plus a constant.
[[nodiscard]] uint32_t masked_crc32c(std::string_view bytes);

}  // namespace fer_ddp
