// A residual block's end and average pooling against their definitions, on each instruction set.
#include "kernels/residual.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/instruction_sets.h"
#include "unit/convolution_reference.h"

namespace fer_ddp {

namespace {

class ResidualOf : public ::testing::TestWithParam<std::tuple<int, std::string>> {
 protected:
  ResidualOf() { use_instruction_set(std::get<1>(GetParam())); }
  ~ResidualOf() override { use_instruction_set(""); }

  static constexpr int64_t kRows = 77;  // more than two blocks of sums
  int channels_ = std::get<0>(GetParam());
  int64_t size_ = kRows * channels_;
  Values body_ = random_values(size_, 1);
  Values shortcut_ = random_values(size_, 2);
  Values scale_ = random_values(channels_, 3);
  Values shift_ = random_values(channels_, 4);
  Values other_scale_ = random_values(channels_, 5);
  Values other_shift_ = random_values(channels_, 6);

  [[nodiscard]] size_t channel_of(size_t index) const { return index % static_cast<size_t>(channels_); }
};

TEST_P(ResidualOf, TheSumOfBothBranchesGoesThroughRelu) {
  struct Kind {
    bool mapped, with_relu;
  };
  for (const Kind kind : {Kind{false, false}, Kind{true, false}, Kind{true, true}}) {
    Reference expected(body_.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t c = channel_of(i);
      double other = double{shortcut_[i]};
      if (kind.mapped) other = other * double{other_scale_[c]} + double{other_shift_[c]};
      if (kind.with_relu) other = std::max(0.0, other);
      expected[i] = std::max(0.0, double{body_[i]} * double{scale_[c]} + double{shift_[c]} + other);
    }
    const Branch shortcut = kind.mapped ? Branch{shortcut_.data(), other_scale_.data(), other_shift_.data()}
                                        : Branch{.values = shortcut_.data()};
    Values out(body_.size());
    add_residual({body_.data(), scale_.data(), shift_.data()}, shortcut, kind.with_relu, kRows, channels_, out.data());
    EXPECT_LT(error_of(out, expected), 1e-6);
  }
}

TEST_P(ResidualOf, TheGradientStopsAtReluAndIsSummedForBothNormalisations) {
  const Values out = random_values(size_, 7);
  const Values mean = random_values(channels_, 8);
  Values gradient = random_values(size_, 9);
  const auto channels = static_cast<size_t>(channels_);
  Reference expected(gradient.begin(), gradient.end());
  Reference body_sums(2 * channels);
  Reference shortcut_sums(2 * channels);
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t c = channel_of(i);
    if (out[i] <= 0) expected[i] = 0;
    body_sums[c] += expected[i];
    body_sums[channels + c] += expected[i] * (double{body_[i]} - double{mean[c]});
    shortcut_sums[c] += expected[i];
    shortcut_sums[channels + c] += expected[i] * (double{shortcut_[i]} - double{scale_[c]});
  }
  std::vector<double> of_body(2 * channels);
  std::vector<double> of_shortcut(2 * channels);
  residual_gradient(out.data(), kRows, channels_, gradient.data(), {body_.data(), mean.data(), of_body.data()},
                    {shortcut_.data(), scale_.data(), of_shortcut.data()});
  EXPECT_EQ(error_of(gradient, expected), 0);
  EXPECT_LT(error_of(of_body, body_sums), 1e-6);
  EXPECT_LT(error_of(of_shortcut, shortcut_sums), 1e-6);

  Reference expected_dz(gradient.size());
  for (size_t i = 0; i < expected_dz.size(); ++i) {
    const size_t c = channel_of(i);
    expected_dz[i] =
        double{gradient[i]} * double{scale_[c]} + double{body_[i]} * double{shift_[c]} + double{other_shift_[c]};
  }
  normalization_gradient_of_branch(gradient.data(), body_.data(), scale_.data(), shift_.data(), other_shift_.data(),
                                   kRows, channels_, gradient.data());
  EXPECT_LT(error_of(gradient, expected_dz), 1e-6);
}

TEST_P(ResidualOf, AveragePoolAndItsGradientEqualTheirDefinition) {
  const PooledShape shape{5, 6, channels_};
  constexpr int kImages = 2;
  const Values values = random_values(kImages * shape.positions() * channels_, 10);
  const Values pooled_gradient = random_values(kImages * shape.pooled_positions() * channels_, 11);
  Reference expected(pooled_gradient.size());
  Values gradient = random_values(static_cast<int64_t>(values.size()), 12);
  Reference expected_gradient(gradient.begin(), gradient.end());
  size_t to = 0;
  for (int image = 0; image < kImages; ++image)
    for (int y = 0; y < 2; ++y)
      for (int x = 0; x < 3; ++x)
        for (int c = 0; c < channels_; ++c, ++to)
          for (int i = 0; i < 4; ++i) {
            const auto at = static_cast<size_t>(
                ((int64_t{image} * shape.height + 2 * y + i / 2) * shape.width + 2 * x + i % 2) * channels_ + c);
            expected[to] += double{values[at]} / 4;
            expected_gradient[at] += double{pooled_gradient[to]} / 4;
          }
  Values pooled(expected.size());
  average_pool(shape, values.data(), kImages, pooled.data());
  add_average_pool_gradient(shape, pooled_gradient.data(), kImages, gradient.data());
  EXPECT_LT(error_of(pooled, expected), 1e-6);
  EXPECT_LT(error_of(gradient, expected_gradient), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Channels, ResidualOf,
                         ::testing::Combine(::testing::Values(16, 48, 128), ::testing::ValuesIn(instruction_sets())));

}  // namespace

}  // namespace fer_ddp
