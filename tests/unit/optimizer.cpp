// The update rules against their formulas in fp64.
#include "optim/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "core/random.h"
#include "optim/newton_schulz.h"

namespace fer_ddp {

namespace {

using Values = std::vector<double>;

const std::vector<float> kGradient = {0.5F, -1.25F, 1e-6F, 3.0F};
constexpr double kRate = 0.01;

// Two weights, two of a vector.
ParameterLayout small_layout() {
  return {.size = 4, .places = {parameter_place("fc.weight", {1, 2}, 0), parameter_place("fc.bias", {2}, 2)}};
}

std::vector<float> train(const Config& config, int steps) {
  std::vector<float> weights = {1.0F, -2.0F, 0.25F, 0.0F};
  const auto optimizer = make_optimizer(config, small_layout());
  for (int step = 0; step < steps; ++step) {
    std::vector<float> gradient = kGradient;
    optimizer->begin_step(kRate);
    optimizer->update(weights, gradient, 0, 1);
    optimizer->update(weights, gradient, 1, 4);
  }
  EXPECT_EQ(optimizer->step_count(), steps);
  return weights;
}

// rule(weight, gradient, its two slots, step from 1, is it of a vector?).
template <typename Rule>
void expect_formula(const Config& config, Rule rule) {
  constexpr int kSteps = 20;
  const std::vector<float> found = train(config, kSteps);
  const Values start = {1.0, -2.0, 0.25, 0.0};
  for (size_t i = 0; i < start.size(); ++i) {
    double weight = start[i];
    double first = 0;
    double second = 0;
    for (int step = 1; step <= kSteps; ++step)
      rule(weight, static_cast<double>(kGradient[i]), first, second, step, i >= 2);
    EXPECT_NEAR(found[i], weight, 3e-6) << i;
  }
}

void adam(double& w, double g, double& m, double& v, int t) {
  m = 0.9 * m + 0.1 * g;
  v = 0.999 * v + 0.001 * g * g;
  // Keras: epsilon outside the bias correction.
  w -= kRate * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t)) * m / (std::sqrt(v) + 1e-7);
}

TEST(Adam, FollowsKerasFormula) {
  expect_formula({.optimizer = OptimizerRule::kAdam},
                 [](double& w, double g, double& m, double& v, int t, bool) { adam(w, g, m, v, t); });
}

TEST(AdamW, DecaysWeightsApartFromTheGradient) {
  expect_formula({.optimizer = OptimizerRule::kAdamW, .weight_decay = 0.1},
                 [](double& w, double g, double& m, double& v, int t, bool) {
                   w -= kRate * 0.1 * w;
                   adam(w, g, m, v, t);
                 });
}

TEST(AdamW, DecaysByKerasDefaultUnlessToldOtherwise) {
  EXPECT_EQ(train({.optimizer = OptimizerRule::kAdamW}, 3),
            train({.optimizer = OptimizerRule::kAdamW, .weight_decay = 0.004}, 3));
}

TEST(AdamW, SparesBiasesWhereAskedTo) {
  expect_formula({.optimizer = OptimizerRule::kAdamW, .weight_decay = 0.1, .decay_biases = false},
                 [](double& w, double g, double& m, double& v, int t, bool is_bias) {
                   if (!is_bias) w -= kRate * 0.1 * w;
                   adam(w, g, m, v, t);
                 });
}

TEST(Sgd, StepsAgainstTheGradient) {
  expect_formula({.optimizer = OptimizerRule::kSgd},
                 [](double& w, double g, double&, double&, int, bool) { w -= kRate * g; });
}

TEST(Sgd, MomentumAddsUp) {
  expect_formula({.optimizer = OptimizerRule::kSgd, .momentum = 0.9},
                 [](double& w, double g, double& u, double&, int, bool) {
                   u = 0.9 * u - kRate * g;
                   w += u;
                 });
}

TEST(Sgd, LooksAheadByNesterov) {
  expect_formula({.optimizer = OptimizerRule::kSgd, .momentum = 0.9, .nesterov = true},
                 [](double& w, double g, double& u, double&, int, bool) {
                   u = 0.9 * u - kRate * g;
                   w += 0.9 * u - kRate * g;
                 });
}

TEST(Sgd, AddsItsDecayToTheGradient) {
  expect_formula(
      {.optimizer = OptimizerRule::kSgd, .momentum = 0.9, .nesterov = true, .weight_decay = 0.2, .decay_biases = false},
      [](double& w, double g, double& u, double&, int, bool is_bias) {
        const double decayed = is_bias ? g : g + 0.2 * w;
        u = 0.9 * u - kRate * decayed;
        w += 0.9 * u - kRate * decayed;
      });
  expect_formula({.optimizer = OptimizerRule::kSgd, .weight_decay = 0.2},
                 [](double& w, double g, double&, double&, int, bool) { w -= kRate * (g + 0.2 * w); });
}

TEST(Muon, LeavesAllButFiltersToNesterovsMomentum) {
  // The test's rate is a tenth of the configuration's: so is the others'.
  expect_formula({.learning_rate = 0.1, .optimizer = OptimizerRule::kMuon, .other_learning_rate = 0.5},
                 [](double& w, double g, double& m, double&, int, bool) {
                   const double decayed = g + 5e-4 * w;
                   m = 0.85 * m + decayed;
                   w -= 0.05 * (decayed + 0.85 * m);
                 });
}

TEST(Clipping, ScalesTheWholeGradientToTheNorm) {
  const double norm = std::sqrt(squared_sum(kGradient));
  for (const double clip : {0.5 * norm, 2.0 * norm}) {
    const auto optimizer =
        make_optimizer({.optimizer = OptimizerRule::kSgd, .gradient_clip_norm = clip}, small_layout());
    std::vector<float> weights(4, 0.0F);
    std::vector<float> gradient = kGradient;
    ASSERT_TRUE(optimizer->clips());
    optimizer->begin_step(1.0);
    optimizer->clip(norm * norm);
    optimizer->update(weights, gradient, 0, 4);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(-weights[i], static_cast<double>(kGradient[i]) * std::min(1.0, clip / norm), 1e-6) << clip;
  }
}

TEST(SquaredSum, CountsEveryValue) {
  std::vector<float> values(1003);
  std::iota(values.begin(), values.end(), 1.0F);
  EXPECT_DOUBLE_EQ(squared_sum(values), 1003.0 * 1004.0 * 2007.0 / 6.0);
}

TEST(Average, FollowsItsFormulaFromTheFirstWeightsOn) {
  const auto optimizer = make_optimizer({.optimizer = OptimizerRule::kSgd, .average_weights = 0.3}, small_layout());
  std::vector<float> weights = {1.0F, -2.0F, 0.25F, 0.0F};
  Values expected(weights.begin(), weights.end());
  for (int step = 0; step < 8; ++step) {
    std::vector<float> gradient = kGradient;
    optimizer->begin_step(0.1 * (step + 1));
    optimizer->update(weights, gradient, 0, 4);
    const double decay = std::min(0.3, (1.0 + step) / (10.0 + step));
    for (size_t i = 0; i < 4; ++i) expected[i] = decay * expected[i] + (1 - decay) * static_cast<double>(weights[i]);
  }
  ASSERT_EQ(optimizer->slots().back().name, "average");
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(optimizer->average()[i], expected[i], 1e-6);
}

// By the definition, in fp64 and without LibTorch. values: row-major [rows, columns].
Values newton_schulz_by_definition(Values x, size_t rows, size_t columns) {
  const auto transposed = [](const Values& a, size_t height, size_t width) {
    Values b(a.size());
    for (size_t i = 0; i < height; ++i)
      for (size_t j = 0; j < width; ++j) b[j * height + i] = a[i * width + j];
    return b;
  };
  const auto product = [](const Values& a, const Values& b, size_t n, size_t inner, size_t m) {
    Values c(n * m, 0.0);
    for (size_t i = 0; i < n; ++i)
      for (size_t k = 0; k < inner; ++k)
        for (size_t j = 0; j < m; ++j) c[i * m + j] += a[i * inner + k] * b[k * m + j];
    return c;
  };
  double norm = 1e-7;
  {
    double squares = 0;
    for (const double value : x) squares += value * value;
    norm += std::sqrt(squares);
  }
  for (double& value : x) value /= norm;
  if (rows > columns)
    return transposed(newton_schulz_by_definition(transposed(x, rows, columns), columns, rows), columns, rows);
  for (int step = 0; step < 3; ++step) {
    const Values a = product(x, transposed(x, rows, columns), rows, columns, rows);
    Values b = product(a, a, rows, rows, rows);
    for (size_t i = 0; i < b.size(); ++i) b[i] = -4.7750 * a[i] + 2.0315 * b[i];
    const Values bx = product(b, x, rows, rows, columns);
    for (size_t i = 0; i < x.size(); ++i) x[i] = 3.4445 * x[i] + bx[i];
  }
  return x;
}

std::vector<float> drawn(size_t count, uint32_t key) {
  RandomStream stream(5, RandomPurpose::kSyntheticFaces, key);
  std::vector<float> values(count);
  for (float& value : values) value = 2.0F * stream.next_uniform() - 1.0F;
  return values;
}

class Filters : public ::testing::TestWithParam<std::pair<int64_t, int64_t>> {};

TEST_P(Filters, AreOrthogonalisedByDefinition) {
  const auto [rows, columns] = GetParam();
  std::vector<float> values = drawn(static_cast<size_t>(rows * columns), 1);
  const at::Tensor matrix = at::from_blob(values.data(), {rows, columns}, at::kFloat);
  const Values expected = newton_schulz_by_definition(Values(values.begin(), values.end()), static_cast<size_t>(rows),
                                                      static_cast<size_t>(columns));
  const at::Tensor found = newton_schulz(matrix).contiguous();
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found.const_data_ptr<float>()[i], expected[i], 2e-5) << i;
  const at::Tensor both = newton_schulz(at::stack({matrix, matrix.neg()}));
  EXPECT_TRUE(at::allclose(both.select(0, 0), found, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(both.select(0, 1), found.neg(), 1e-4, 1e-5));
}

TEST_P(Filters, AreUpdatedByMuonsRule) {
  const auto [rows, columns] = GetParam();
  const auto size = static_cast<size_t>(rows * columns);
  const Config config{.optimizer = OptimizerRule::kMuon, .momentum = 0.6, .weight_decay = 0.1};
  // Something before and after, and padding.
  const ParameterLayout layout{
      .size = size + 48,
      .places = {parameter_place("fc.bias", {7}, 0), parameter_place("conv.weight", {rows, columns, 1, 1}, 16),
                 parameter_place("bn.weight", {16}, size + 16)}};
  const auto optimizer = make_optimizer(config, layout);
  std::vector<float> weights = drawn(layout.size, 2);
  Values expected(weights.begin() + 16, weights.begin() + 16 + static_cast<std::ptrdiff_t>(size));
  Values momentum(size, 0.0);
  const double scale = std::sqrt(std::max(1.0, static_cast<double>(rows) / static_cast<double>(columns)));
  for (uint32_t step = 0; step < 3; ++step) {
    std::vector<float> gradient = drawn(layout.size, 3 + step);
    optimizer->begin_step(kRate);
    for (const UpdatePiece& piece : optimizer->pieces())
      optimizer->update(weights, gradient, piece.range.begin, piece.range.end);
    Values direction(size);
    for (size_t i = 0; i < size; ++i) {
      const auto g = static_cast<double>(gradient[16 + i]);
      momentum[i] = 0.6 * momentum[i] + g;
      direction[i] = g + 0.6 * momentum[i];
    }
    direction = newton_schulz_by_definition(direction, static_cast<size_t>(rows), static_cast<size_t>(columns));
    for (size_t i = 0; i < size; ++i) expected[i] = expected[i] * (1 - kRate * 0.1) - kRate * scale * direction[i];
  }
  for (size_t i = 0; i < size; ++i) EXPECT_NEAR(weights[16 + i], expected[i], 3e-6) << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, Filters,
                         ::testing::Values(std::pair{int64_t{4}, int64_t{36}}, std::pair{int64_t{16}, int64_t{18}},
                                           std::pair{int64_t{32}, int64_t{8}}, std::pair{int64_t{9}, int64_t{9}}));

ParameterLayout large_layout() {
  ParameterLayout layout{.size = 1'200'000};
  layout.places = {
      parameter_place("fc.weight", {100, 7001}, 0), parameter_place("conv3.weight", {64, 64, 3, 3}, 700'112),
      parameter_place("conv2.weight", {64, 32, 3, 3}, 736'976), parameter_place("conv1.weight", {32, 1, 3, 3}, 755'408),
      parameter_place("bn.weight", {400'000}, 755'712)};
  return layout;
}

TEST(Pieces, AreAllOfTheBuffersAndMatricesWhole) {
  const auto optimizer = make_optimizer({.optimizer = OptimizerRule::kMuon}, large_layout());
  size_t end = 0;
  std::vector<size_t> matrices;
  for (const UpdatePiece& piece : optimizer->pieces()) {
    EXPECT_EQ(piece.range.begin, end);
    EXPECT_LT(piece.range.begin, piece.range.end);
    end = piece.range.end;
    if (piece.is_matrix) matrices.push_back(piece.range.size());
  }
  EXPECT_EQ(end, 1'200'000U);
  EXPECT_EQ(matrices, (std::vector<size_t>{36'864, 18'432}));
}

TEST(Pieces, AreSharedOutEvenlyAndEachOnce) {
  for (const OptimizerRule rule : {OptimizerRule::kAdam, OptimizerRule::kMuon}) {
    const auto optimizer = make_optimizer({.optimizer = rule}, large_layout());
    for (const int members : {1, 2, 3, 4, 8}) {
      std::vector<int> seen(optimizer->pieces().size());
      double most = 0;
      double all = 0;
      double largest = 0;
      for (const std::vector<size_t>& share : shared_out(optimizer->pieces(), members)) {
        double cost = 0;
        for (const size_t piece : share) {
          ++seen[piece];
          cost += optimizer->pieces()[piece].cost;
          largest = std::max(largest, optimizer->pieces()[piece].cost);
        }
        most = std::max(most, cost);
        all += cost;
      }
      EXPECT_EQ(seen, std::vector<int>(seen.size(), 1)) << choice_word(rule) << members;
      EXPECT_LT(most, std::max(largest * 1.01, 1.1 * all / members)) << choice_word(rule) << members;
    }
  }
}

}  // namespace

}  // namespace fer_ddp
