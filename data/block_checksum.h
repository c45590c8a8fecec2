// The checksum of a large file, computed in blocks so that ranks can share the work and the result does not depend on
// how many there are: each block of kChecksumBlock bytes (the last one shorter) has its XXH3-128, and the file's is
// that of their digits in a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/checksum.h"

namespace fer_ddp {

inline constexpr int64_t kChecksumBlock = int64_t{4} << 20;
inline constexpr std::string_view kBlockChecksumRule =
    "xxh3-128 of the hexadecimal xxh3-128 digests, in a row, of each block of 4 MiB";

// The checksums of consecutive blocks.
class BlockChecksums {
 public:
  void add(std::span<const char> block) { digits_ += checksum(std::as_bytes(block)); }

  // Their digits in a row: ranks' parts are put together by concatenation.
  [[nodiscard]] const std::string& digits() const { return digits_; }

 private:
  std::string digits_;
};

[[nodiscard]] inline std::string combined_checksum(std::string_view digits) { return checksum(digits); }

}  // namespace fer_ddp
