// How many images of each class each split has, and what always guessing the largest class would score: a table for
// people.
#pragma once

#include <string>

#include "data/manifest.h"

namespace fer_ddp {

// Lines of aligned columns, each ended.
[[nodiscard]] std::string counts_table(const Manifest& manifest);

}  // namespace fer_ddp
