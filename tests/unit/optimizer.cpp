// The update rules against their formulas in fp64.
#include "optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fer_ddp {

namespace {

const std::vector<float> kGradient = {0.5F, -1.25F, 1e-6F, 3.0F};

std::vector<float> train(const Config& config, int steps) {
  std::vector<float> weights = {1.0F, -2.0F, 0.25F, 0.0F};
  const auto optimizer = make_optimizer(config, weights.size());
  for (int step = 0; step < steps; ++step) {
    optimizer->begin_step(0.01);
    optimizer->update(weights, kGradient, 0, 2);
    optimizer->update(weights, kGradient, 2, 4);
  }
  EXPECT_EQ(optimizer->step_count(), steps);
  return weights;
}

std::vector<double> adam_by_formula(int steps, double weight_decay) {
  std::vector<double> weights = {1.0, -2.0, 0.25, 0.0};
  for (size_t i = 0; i < weights.size(); ++i) {
    double m = 0;
    double v = 0;
    const auto g = static_cast<double>(kGradient[i]);
    for (int t = 1; t <= steps; ++t) {
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      weights[i] -= 0.01 * weight_decay * weights[i];
      // Keras: epsilon outside the bias correction.
      weights[i] -= 0.01 * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t)) * m / (std::sqrt(v) + 1e-7);
    }
  }
  return weights;
}

TEST(Adam, FollowsKerasFormula) {
  const auto expected = adam_by_formula(20, 0.0);
  const auto weights = train({.optimizer = "Adam"}, 20);
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(weights[i], expected[i], 2e-6) << i;
}

TEST(AdamW, DecaysWeightsApartFromTheGradient) {
  const auto expected = adam_by_formula(20, 0.1);
  const auto weights = train({.optimizer = "AdamW", .weight_decay = 0.1}, 20);
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(weights[i], expected[i], 2e-6) << i;
}

TEST(Sgd, StepsAgainstTheGradient) {
  const auto weights = train({.optimizer = "SGD"}, 3);
  EXPECT_NEAR(weights[0], 1.0 - 3 * 0.01 * 0.5, 1e-6);
}

TEST(Sgd, MomentumAddsUp) {
  const auto weights = train({.optimizer = "SGD", .momentum = 0.9}, 2);
  const double first = -0.01 * 0.5;
  EXPECT_NEAR(weights[0], 1.0 + first + (0.9 * first + first), 1e-6);
}

}  // namespace

}  // namespace fer_ddp
