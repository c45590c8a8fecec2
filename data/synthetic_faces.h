// Faces drawn by geometry, so that the whole of fer-ddp can be tried without FER2013, whose pictures have no clear
// licence. Seven expressions of varied strength on varied heads, poses, lights and cameras; classes are as frequent as
// in FER2013. Face `index` of `seed` is the same picture on any machine, however many are drawn. Pure; thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "core/expressions.h"

namespace fer_ddp {

struct SyntheticFace {
  std::array<uint8_t, kImagePixels> pixels{};  // 48 x 48 grey, row-major
  uint8_t label = 0;
};

[[nodiscard]] SyntheticFace draw_face(uint64_t seed, int64_t index);

}  // namespace fer_ddp
