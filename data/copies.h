// Exact copies across splits: rows of the validation and test splits whose pixels, byte for byte, are those of a
// training row. What a network says of them it may know by heart, so scores are also given without them. A pure
// function.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace fer_ddp {

// A split's rows that are copies of a training row, whatever their labels, ascending; of the training split, none.
// Takes some 20 ms for the whole of FER2013: pixels are hashed, and rows of equal hashes compared.
[[nodiscard]] PerSplit<std::vector<int32_t>> copies_of_training_rows(const PerSplit<SplitView>& splits);

}  // namespace fer_ddp
