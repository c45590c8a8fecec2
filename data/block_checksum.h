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

// How much of a file is read at once: it divides a block, and stays in a core's cache until it has been looked at.
inline constexpr int64_t kReadAtOnce = int64_t{256} << 10;

// The checksums of consecutive blocks, which come in pieces of kReadAtOnce (the last one shorter).
class BlockChecksums {
 public:
  void add(std::span<const char> piece) {
    running_.add(std::as_bytes(piece));
    in_block_ += static_cast<int64_t>(piece.size());
    if (in_block_ == kChecksumBlock) end_block();
  }

  // After the last piece, before digits().
  void end() {
    if (in_block_ > 0) end_block();
  }

  // Their digits in a row: parts of a file are put together by concatenation.
  [[nodiscard]] const std::string& digits() const { return digits_; }

 private:
  void end_block() {
    digits_ += running_.digits();
    running_.reset();
    in_block_ = 0;
  }

  RunningChecksum running_;
  int64_t in_block_ = 0;  // bytes so far
  std::string digits_;
};

[[nodiscard]] inline std::string combined_checksum(std::string_view digits) { return checksum(digits); }

}  // namespace fer_ddp
