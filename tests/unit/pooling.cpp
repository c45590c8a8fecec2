// Pooling of mapped values against the definition in fp64, over shapes and on each instruction set.
#include "kernels/pooling.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "kernels/instruction_sets.h"
#include "unit/convolution_reference.h"

namespace fer_ddp {

namespace {

class PoolingOf : public ::testing::TestWithParam<std::tuple<std::tuple<int, int, int>, bool, std::string>> {
 protected:
  PoolingOf() {
    use_instruction_set(std::get<2>(GetParam()));
    const auto channels = static_cast<int64_t>(shape_.channels);
    z_ = random_values(kImages * shape_.positions() * channels, 1);
    scale_ = random_values(channels, 2);  // of both signs: the largest activation may be the smallest z
    shift_ = random_values(channels, 3);
    mean_ = random_values(channels, 4);
  }
  ~PoolingOf() override { use_instruction_set(""); }

  [[nodiscard]] MappedValues seen() const {
    return mapped_ ? MappedValues{z_.data(), scale_.data(), shift_.data()} : MappedValues{.values = z_.data()};
  }
  [[nodiscard]] size_t at(int64_t image, int y, int x, int c) const {
    return static_cast<size_t>(((image * shape_.height + y) * shape_.width + x) * shape_.channels + c);
  }
  // What a reader sees before ReLU, in fp32 as the kernels compare it.
  [[nodiscard]] float before_relu(size_t index) const {
    const size_t c = index % static_cast<size_t>(shape_.channels);
    return mapped_ ? std::fma(z_[index], scale_[c], shift_[c]) : z_[index];
  }
  [[nodiscard]] double activation(size_t index) const {
    return mapped_ ? std::max(0.0, double{before_relu(index)}) : double{z_[index]};
  }

  static constexpr int kImages = 3;
  PooledShape shape_{std::get<0>(std::get<0>(GetParam())), std::get<1>(std::get<0>(GetParam())),
                     std::get<2>(std::get<0>(GetParam()))};
  bool mapped_ = std::get<1>(GetParam());
  Values z_, scale_, shift_, mean_;
};

TEST_P(PoolingOf, MaxPoolKeepsTheValueBehindTheLargestActivation) {
  const auto size = static_cast<size_t>(kImages * shape_.pooled_positions() * shape_.channels);
  Values pooled(size);
  std::vector<uint8_t> winners(size);
  z_[at(0, 1, 1, 0)] = z_[at(0, 0, 1, 0)] = before_relu(at(0, 0, 0, 0)) > 0 ? 9.0F : -9.0F;  // equal ones
  max_pool(shape_, seen(), kImages, pooled.data(), winners.data());
  size_t to = 0;
  for (int64_t image = 0; image < kImages; ++image)
    for (int y = 0; y + 1 < shape_.height; y += 2)
      for (int x = 0; x + 1 < shape_.width; x += 2)
        for (int c = 0; c < shape_.channels; ++c, ++to) {
          int largest = 0;
          for (int i = 1; i < 4; ++i)
            if (before_relu(at(image, y + i / 2, x + i % 2, c)) >
                before_relu(at(image, y + largest / 2, x + largest % 2, c)))
              largest = i;
          ASSERT_EQ(int{winners[to]}, largest) << to;
          ASSERT_EQ(pooled[to], z_[at(image, y + largest / 2, x + largest % 2, c)]) << to;
        }
}

TEST_P(PoolingOf, GlobalAveragePoolAndItsGradientEqualTheirDefinition) {
  const auto channels = static_cast<size_t>(shape_.channels);
  const auto positions = static_cast<size_t>(shape_.positions());
  Reference expected(kImages * channels);
  for (size_t i = 0; i < z_.size(); ++i)
    expected[i / (positions * channels) * channels + i % channels] += activation(i) / static_cast<double>(positions);
  Values means(expected.size());
  global_average_pool(shape_, seen(), kImages, means.data());
  EXPECT_LT(error_of(means, expected), 1e-6);

  const Values mean_gradient = random_values(static_cast<int64_t>(means.size()), 5);
  Reference expected_gradient(z_.size());
  Reference expected_sums(2 * channels);
  for (size_t i = 0; i < z_.size(); ++i) {
    const size_t c = i % channels;
    expected_gradient[i] =
        double{mean_gradient[i / (positions * channels) * channels + c]} / static_cast<double>(positions);
    if (!mapped_ || before_relu(i) <= 0) continue;
    expected_sums[c] += expected_gradient[i];
    expected_sums[channels + c] += expected_gradient[i] * (double{z_[i]} - double{mean_[c]});
  }
  Values gradient(z_.size());
  std::vector<double> sums(2 * channels);
  global_average_pool_gradient(shape_, seen(), mean_gradient.data(), kImages, mean_.data(), gradient.data(),
                               sums.data());
  EXPECT_LT(error_of(gradient, expected_gradient), 1e-6);
  EXPECT_LT(error_of(sums, expected_sums), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Shapes, PoolingOf,
                         ::testing::Combine(::testing::Values(std::tuple{6, 6, 32}, std::tuple{3, 3, 16},
                                                              std::tuple{5, 8, 48}, std::tuple{2, 2, 128}),
                                            ::testing::Bool(), ::testing::ValuesIn(instruction_sets())));

}  // namespace

}  // namespace fer_ddp
