#include "data/face_expression.h"

#include <algorithm>
#include <array>

#include "core/expressions.h"

namespace fer_ddp {

namespace {

using Muscle = float FaceExpression::*;
constexpr std::array<Muscle, 9> kMuscles = {
    &FaceExpression::inner_brow,   &FaceExpression::outer_brow,    &FaceExpression::eye_opening,
    &FaceExpression::nose_wrinkle, &FaceExpression::mouth_corners, &FaceExpression::mouth_opening,
    &FaceExpression::mouth_width,  &FaceExpression::upper_lip,     &FaceExpression::teeth};

// By label, the muscles in the order of kMuscles, at full strength.
constexpr std::array<std::array<float, kMuscles.size()>, kExpressionCount> kFullStrength = {{
    {-1.0F, 0.1F, -0.3F, 0.4F, -0.4F, 0.15F, 0.0F, 0.2F, 0.5F},   // Angry
    {-0.6F, -0.2F, -0.6F, 1.0F, -0.3F, 0.25F, 0.1F, 1.0F, 0.4F},  // Disgust
    {0.9F, 0.2F, 0.7F, 0.0F, -0.3F, 0.45F, 0.4F, 0.1F, 0.4F},     // Fear
    {0.1F, 0.1F, -0.3F, 0.1F, 1.0F, 0.4F, 0.6F, 0.2F, 1.0F},      // Happy
    {0.8F, -0.5F, -0.4F, 0.0F, -0.9F, 0.0F, -0.2F, 0.0F, 0.0F},   // Sad
    {0.9F, 0.9F, 0.9F, 0.0F, 0.0F, 1.0F, -0.6F, 0.0F, 0.1F},      // Surprise
    {0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F},       // Neutral
}};

constexpr float kWeakest = 0.35F;
constexpr float kStrongest = 1.15F;
constexpr float kSlip = 0.18F;  // standard deviation of a muscle that does not quite do what the expression wants

}  // namespace

float roughly_normal(RandomStream& random) {
  constexpr float kMean = 510.0F;
  constexpr float kDeviation = 147.8F;  // a byte's variance is (256^2 - 1) / 12
  const uint32_t word = random.next();
  const uint32_t sum = (word & 255U) + (word >> 8U & 255U) + (word >> 16U & 255U) + (word >> 24U);
  return (static_cast<float>(sum) - kMean) / kDeviation;
}

float uniform_between(RandomStream& random, float low, float high) {
  return low + (high - low) * random.next_uniform();
}

FaceExpression random_expression(int label, RandomStream& random) {
  const float strength = uniform_between(random, kWeakest, kStrongest);
  FaceExpression expression;
  for (size_t i = 0; i < kMuscles.size(); ++i)
    expression.*kMuscles[i] = strength * kFullStrength[static_cast<size_t>(label)][i] + kSlip * roughly_normal(random);
  for (const Muscle one_sided : {&FaceExpression::nose_wrinkle, &FaceExpression::mouth_opening, &FaceExpression::teeth})
    expression.*one_sided = std::max(expression.*one_sided, 0.0F);
  return expression;
}

}  // namespace fer_ddp
