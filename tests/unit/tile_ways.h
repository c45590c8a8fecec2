// On which tiles, and with which vectors around them, the tests of convolutions by matrix tiles run; and what their
// operands are rounded to.
#pragma once

#include <bit>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/instruction_sets.h"
#include "kernels/matrix_tiles.h"

namespace fer_ddp {

// To bf16's nearest, ties to even. Where SSE multiplies and adds apart, the kernels may round a value the other way;
// none of the tests' does.
inline double as_bf16(double value) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  return double{std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000U)};
}

struct TileWay {
  bool plain = false;
  std::string vectors;
  void take() const {
    use_plain_tiles(plain);
    use_instruction_set(vectors);
  }
  static void leave() {
    use_plain_tiles(false);
    use_instruction_set("");
  }
  friend std::ostream& operator<<(std::ostream& stream, const TileWay& way) {
    return stream << (way.plain ? "plain, " : "tiles, ") << way.vectors;
  }
};

inline std::vector<TileWay> tile_ways() {
  std::vector<TileWay> all;
  for (const std::string& vectors : instruction_sets()) all.push_back({true, vectors});
  if (matrix_tiles_refusal().empty()) all.push_back({false, instruction_sets().front()});
  return all;
}

}  // namespace fer_ddp
