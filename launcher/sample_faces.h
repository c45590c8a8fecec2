// A few faces of each expression out of a run's shards, and those of single test images, for the report. Rank 0 alone.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "data/manifest.h"
#include "report/face_grid.h"
#include "report/mistakes.h"

namespace fer_ddp {

// By label: the first `per_class` training images of each expression in the first shard (less where it has less),
// without the few of FER2013 that show a single grey. Throws Error (the user's fault) where the shard is damaged.
[[nodiscard]] FacesByClass sample_faces(const std::filesystem::path& shards, const Manifest& manifest,
                                        size_t per_class);

// Gives each mistake its face as a PNG. Throws Error (the user's fault) where a shard is damaged, or is not of the
// images that the mistakes are of.
void add_faces(const std::filesystem::path& shards, const Manifest& manifest, std::vector<Mistake>& mistakes);

}  // namespace fer_ddp
