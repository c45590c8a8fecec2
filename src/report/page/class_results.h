// What the model does to each expression: the confusion matrix as a heat map (a row for each true class, shaded by its
// share of the row), and precision, recall and F1 by class. HTML tables, so that they can be read aloud and copied.
// Pure.
#pragma once

#include <string>

#include "core/evaluation.h"

namespace fer_ddp {

[[nodiscard]] std::string confusion_table(const Evaluation& evaluation);

[[nodiscard]] std::string score_table(const Evaluation& evaluation);

// In words: which class is recognised best, and the most frequent mistake.
[[nodiscard]] std::string confusion_in_words(const Evaluation& evaluation);

}  // namespace fer_ddp
