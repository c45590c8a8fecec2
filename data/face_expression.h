// What an expression does to a face: a few muscles' worth of numbers, loosely after Ekman and Friesen's action units,
// and how they are drawn at random. Weak expressions are close to neutral and to each other, as in life.
#pragma once

#include "core/random.h"

namespace fer_ddp {

// Zero is a neutral face; 1 is about as far as a muscle goes.
struct FaceExpression {
  float inner_brow = 0;   // up
  float outer_brow = 0;   // up
  float eye_opening = 0;  // wider; negative: narrower
  float nose_wrinkle = 0;
  float mouth_corners = 0;  // up
  float mouth_opening = 0;
  float mouth_width = 0;
  float upper_lip = 0;  // up
  float teeth = 0;
};

// An expression of class `label` (core/expressions.h) of random strength, with random slips of every muscle.
[[nodiscard]] FaceExpression random_expression(int label, RandomStream& random);

// Roughly normal with mean 0 and standard deviation 1: the sum of a random word's four bytes, scaled. Within 3.5.
[[nodiscard]] float roughly_normal(RandomStream& random);

// Uniform in [low, high).
[[nodiscard]] float uniform_between(RandomStream& random, float low, float high);

}  // namespace fer_ddp
