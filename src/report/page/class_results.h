// What the model does to each expression: the confusion matrix as a heat map (a row for each true class, shaded by its
// share of the row), and precision, recall and F1 by class. HTML tables, so that they can be read aloud and copied.
// Pure.
#pragma once

#include <string>

#include "core/evaluation.h"
#include "report/page/template.h"

namespace fer_ddp {

[[nodiscard]] Html confusion_table(const Evaluation& evaluation);

// A cell of a table that shows a score as a number and a bar; a dash for NaN.
[[nodiscard]] Html score_cell(double score);

// The mean of a score over the classes that have it; NaN where none has.
[[nodiscard]] double mean_score(const Evaluation& evaluation, double (Evaluation::*score)(int) const);

[[nodiscard]] Html score_table(const Evaluation& evaluation);

// In words: which class is recognised best, and the most frequent mistake.
[[nodiscard]] std::string confusion_in_words(const Evaluation& evaluation);

}  // namespace fer_ddp
