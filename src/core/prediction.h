// What a model says of one image: a plain value, an element of what an evaluation finds and a line of predictions.csv.
#pragma once

#include <cstdint>

namespace fer_ddp {

struct ImagePrediction {
  uint8_t label = 0;            // what it is
  uint8_t called = 0;           // the most probable expression
  float probability = 0;        // of `called`
  float label_probability = 0;  // of `label`
  friend bool operator==(const ImagePrediction&, const ImagePrediction&) = default;

  [[nodiscard]] bool is_right() const { return called == label; }
};

// From the probabilities of all expressions.
[[nodiscard]] inline ImagePrediction prediction_of(int label, int called, const float* probabilities) {
  return {.label = static_cast<uint8_t>(label),
          .called = static_cast<uint8_t>(called),
          .probability = probabilities[called],
          .label_probability = probabilities[label]};
}

}  // namespace fer_ddp
