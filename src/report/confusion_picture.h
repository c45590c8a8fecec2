// A confusion matrix as a PNG file in memory, for TensorBoard: a row for each true expression, a column for what its
// images are taken for, each cell as dark as the share of its row, which stands in it. Pure.
#pragma once

#include <string>

#include "core/evaluation.h"

namespace fer_ddp {

// Throws Error (the machine's fault) if libpng fails.
[[nodiscard]] std::string confusion_png(const Evaluation& evaluation);

}  // namespace fer_ddp
