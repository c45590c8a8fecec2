// A few faces of each expression out of a run's shards, for the report. Rank 0 alone.
#pragma once

#include <cstddef>
#include <filesystem>

#include "data/manifest.h"
#include "report/face_grid.h"

namespace fer_ddp {

// By label: the first `per_class` training images of each expression in the first shard (less where it has less),
// without the few of FER2013 that show a single grey. Throws Error (the user's fault) where the shard is damaged.
[[nodiscard]] FacesByClass sample_faces(const std::filesystem::path& shards, const Manifest& manifest,
                                        size_t per_class);

}  // namespace fer_ddp
