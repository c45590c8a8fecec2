// The network's end: the hidden units' bias, ReLU and dropout, a small dense layer over them, softmax and cross-entropy
// with Keras' label smoothing, forward and backward for one image at a time.
//
//   loss = -sum_k t_k log softmax(logits)_k,  t = (1 - smoothing) onehot + smoothing / classes;  dlogits = softmax - t
//
// Where images are mixed, t is given. A loss is rounded to a multiple of 2^-24, so that sums of losses are exact and do
// not depend on their order.
//
// Thread-safe, no allocation; units: a multiple of 16, classes: up to 16.
#pragma once

#include <cstdint>

namespace fer_ddp {

struct Classifier {
  int units = 0;
  int classes = 0;
  const float* hidden_bias = nullptr;  // [units]
  const float* weights = nullptr;      // [classes][units]
  const float* bias = nullptr;         // [classes]
  double label_smoothing = 0;
};

struct ImageResult {
  double loss = 0;
  int called = 0;  // the class with the largest logit
};

// Forward without dropout. `hidden` [units] holds the units' products without their bias, and their values afterwards.
// Writes probabilities [classes], unless null.
ImageResult classify(const Classifier& classifier, float* hidden, int label, float* probabilities = nullptr);

struct ClassifierGradient {
  float* hidden_bias = nullptr;  // added to, as the next two
  float* weights = nullptr;
  float* bias = nullptr;
};

// Forward and backward. `hidden` [units] holds the units' products without their bias, and afterwards the gradient by
// them, times gradient_scale. kept: [units], 1 or 0, null for all; what is kept is scaled by kept_scale. targets:
// [classes], t itself; null: that of `label`.
ImageResult classify_and_backpropagate(const Classifier& classifier, float* hidden, int label, const uint8_t* kept,
                                       float kept_scale, float gradient_scale, const ClassifierGradient& gradient,
                                       const float* targets = nullptr);

}  // namespace fer_ddp
