// A few faces of each expression out of a run's shards, for the report. Rank 0 alone.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/expressions.h"
#include "data/manifest.h"

namespace fer_ddp {

using Face = std::array<uint8_t, kImagePixels>;

// By label: the first `per_class` training images of each expression in the first shard (less where it has less),
// without the few of FER2013 that show a single grey. Throws Error (the user's fault) where the shard is damaged.
[[nodiscard]] std::array<std::vector<Face>, kExpressionCount> sample_faces(const std::filesystem::path& shards,
                                                                           const Manifest& manifest, size_t per_class);

}  // namespace fer_ddp
