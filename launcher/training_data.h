// What a configuration's data must be for a run to learn from it. Each throws Error (the user's fault).
#pragma once

#include <cstdint>

#include "core/config.h"
#include "data/manifest.h"

namespace fer_ddp {

// The configuration names some data.
void require_data(const Config& config);

// There are training images.
void require_training_rows(int64_t rows, const Config& config);

// The shards are split as the configuration says.
void require_split_rule(const Manifest& manifest, const Config& config);

}  // namespace fer_ddp
