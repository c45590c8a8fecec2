// What a model does on a split: mean loss and the confusion matrix, from which accuracy and the per-class scores
// follow. A plain value: ranks sum theirs entry by entry before anything is divided. Its JSON form stands in
// result.json under "test".
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/expressions.h"

namespace fer_ddp {

// Images counted by [true class][predicted class].
using ConfusionMatrix = std::array<std::array<int64_t, kExpressionCount>, kExpressionCount>;

// On some of the images.
struct Score {
  double loss = std::numeric_limits<double>::quiet_NaN();  // mean over them
  int64_t images = 0;
  int64_t correct = 0;

  [[nodiscard]] double accuracy() const;  // NaN without images
  friend bool operator==(const Score&, const Score&) = default;
};

struct Evaluation {
  double loss = std::numeric_limits<double>::quiet_NaN();  // mean over the images
  int64_t images = 0;
  ConfusionMatrix confusion{};
  // On the images that are no exact copy of a training image; none where nobody looked for copies.
  std::optional<Score> without_copies{};

  // Images that are copies of training images, as far as is known.
  [[nodiscard]] int64_t copies() const { return without_copies ? images - without_copies->images : 0; }

  // Shares in [0, 1]; NaN where nothing was there to divide by.
  [[nodiscard]] double accuracy() const;
  [[nodiscard]] int64_t correct() const;            // images
  [[nodiscard]] double precision(int label) const;  // of the images called `label`, those that are
  [[nodiscard]] double recall(int label) const;     // of the images of `label`, those called so
  [[nodiscard]] double f1(int label) const;         // harmonic mean of both; 0 for a class that is never called

  // How many images of each class there are, and how many were taken for it.
  [[nodiscard]] ClassCounts true_counts() const;
  [[nodiscard]] ClassCounts predicted_counts() const;
};

// {"loss", "accuracy", "accuracy_interval": [low, high], "images", "correct"}, or null where there is none. The
// interval is Wilson's of 95 % (core/statistics.h); it is not read, since it follows.
[[nodiscard]] nlohmann::ordered_json score_to_json(const std::optional<Score>& score);
// Throws nlohmann::json::exception.
[[nodiscard]] std::optional<Score> score_from_json(const nlohmann::ordered_json& document);

// {"loss", "accuracy", "accuracy_interval", "images", "without_copies": as score_to_json(), "confusion",
// "per_class": [{"name", "precision", "recall", "f1", "images"}]}; NaN becomes null.
[[nodiscard]] nlohmann::ordered_json evaluation_to_json(const Evaluation& evaluation);

// Reads loss, images, without_copies (absent in documents of earlier versions) and confusion; the rest follows from
// them. Throws Error (the user's fault), `where` naming the document.
[[nodiscard]] Evaluation evaluation_from_json(const nlohmann::ordered_json& document, const std::string& where);

}  // namespace fer_ddp
