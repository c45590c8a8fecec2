// The test images that a run gets wrong and is most sure of, with their faces. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/predictions.h"

namespace fer_ddp {

struct Mistake {
  size_t index = 0;  // of the test images
  TestPrediction said{};
  std::string face_png{};  // empty: not within reach
};

// The `most` wrong predictions of the highest probability, these first, without their faces. Equal ones are in the
// order of their rows.
[[nodiscard]] std::vector<Mistake> most_confident_mistakes(std::span<const TestPrediction> predictions, size_t most);

}  // namespace fer_ddp
