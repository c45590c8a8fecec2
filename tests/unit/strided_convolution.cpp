// Strided and 1 x 1 convolutions against their definition in fp64, over shapes and on each instruction set.
#include "kernels/strided_convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/instruction_sets.h"
#include "unit/convolution_reference.h"

namespace fer_ddp {

namespace {

constexpr int kImages = 5;
constexpr double kTolerance = 2e-6;

class StridedConvolutionOf : public ::testing::TestWithParam<std::tuple<StridedShape, std::string>> {
 protected:
  StridedConvolutionOf() { use_instruction_set(std::get<1>(GetParam())); }
  ~StridedConvolutionOf() override { use_instruction_set(""); }

  StridedShape shape_ = std::get<0>(GetParam());
  Values input_ = random_values(kImages * shape_.input_size(), 1);
  Values weights_ = random_values(shape_.weights(), 2, 0.1F);
  Values gradient_ = random_values(kImages * shape_.output_size(), 3);
};

TEST_P(StridedConvolutionOf, ForwardEqualsItsDefinitionInFp64) {
  const auto channels = static_cast<size_t>(shape_.output_channels);
  const Values centre = random_values(shape_.output_channels, 4);
  Reference expected(gradient_.size());
  for_each_strided_product(
      shape_, kImages, [&](size_t i, size_t w, size_t o) { expected[o] += double{input_[i]} * double{weights_[w]}; });
  Reference expected_sums(2 * channels);
  for (size_t i = 0; i < expected.size(); ++i) {
    const double offset = expected[i] - double{centre[i % channels]};
    expected_sums[i % channels] += offset;
    expected_sums[channels + i % channels] += offset * offset;
  }
  Values output(expected.size());
  std::vector<double> sums(2 * channels);
  strided_convolution(shape_, weights_.data(), input_.data(), kImages, output.data(), centre.data(), sums.data());
  EXPECT_LT(error_of(output, expected), kTolerance);
  EXPECT_LT(error_of(sums, expected_sums), kTolerance);
}

TEST_P(StridedConvolutionOf, BothGradientsEqualTheirDefinitionInFp64) {
  const Values before = random_values(static_cast<int64_t>(input_.size()), 5);
  Reference expected_input(before.begin(), before.end());  // added to
  Reference expected_weights(weights_.size());
  for_each_strided_product(shape_, kImages, [&](size_t i, size_t w, size_t o) {
    expected_input[i] += double{gradient_[o]} * double{weights_[w]};
    expected_weights[w] += double{gradient_[o]} * double{input_[i]};
  });
  Values transposed(weights_.size());
  transpose_weights(shape_, weights_.data(), transposed.data());
  Values input = before;
  add_strided_input_gradient(shape_, transposed.data(), gradient_.data(), kImages, input.data());
  Values weights(weights_.size(), 7.0F);  // overwritten
  strided_weight_gradient(shape_, input_.data(), gradient_.data(), kImages, weights.data());
  EXPECT_LT(error_of(input, expected_input), kTolerance);
  EXPECT_LT(error_of(weights, expected_weights), kTolerance);
}

// As of a rank's share where the last batch is short.
TEST_P(StridedConvolutionOf, NoImagesHaveAGradientOfZeros) {
  Values weights(weights_.size(), 7.0F);
  strided_weight_gradient(shape_, input_.data(), gradient_.data(), 0, weights.data());
  EXPECT_EQ(weights, Values(weights_.size(), 0.0F));
}

TEST_P(StridedConvolutionOf, AnImagesOutputsAndGradientsDoNotDependOnTheOthersOfItsCall) {
  Values transposed(weights_.size());
  transpose_weights(shape_, weights_.data(), transposed.data());
  const auto compute = [&](int first, int images) {
    std::pair<Values, Values> found{Values(static_cast<size_t>(images * shape_.output_size())),
                                    Values(static_cast<size_t>(images * shape_.input_size()))};
    strided_convolution(shape_, weights_.data(), input_.data() + first * shape_.input_size(), images,
                        found.first.data(), nullptr, nullptr);
    add_strided_input_gradient(shape_, transposed.data(), gradient_.data() + first * shape_.output_size(), images,
                               found.second.data());
    return found;
  };
  const auto together = compute(0, kImages);
  for (int image = 0; image < kImages; ++image) {
    const auto alone = compute(image, 1);
    EXPECT_TRUE(std::equal(alone.first.begin(), alone.first.end(),
                           together.first.begin() + image * static_cast<ptrdiff_t>(shape_.output_size())));
    EXPECT_TRUE(std::equal(alone.second.begin(), alone.second.end(),
                           together.second.begin() + image * static_cast<ptrdiff_t>(shape_.input_size())));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, StridedConvolutionOf,
    ::testing::Combine(::testing::Values(StridedShape{6, 6, 16, 32, 1, 1, 0}, StridedShape{5, 9, 48, 16, 1, 2, 0},
                                         StridedShape{8, 8, 32, 64, 3, 2, 1}, StridedShape{7, 5, 16, 80, 3, 2, 1},
                                         StridedShape{7, 6, 16, 16, 3, 2, 0},
                                         StridedShape{6, 4, 160, 16, 3, 1, 1},    // deep products
                                         StridedShape{12, 12, 144, 32, 1, 1, 0},  // an image is more than one block
                                         StridedShape{24, 26, 16, 48, 3, 2, 1}, StridedShape{4, 4, 272, 32, 3, 2, 1},
                                         StridedShape{1, 1, 16, 16, 3, 2, 1}),
                       ::testing::ValuesIn(instruction_sets())));

}  // namespace

}  // namespace fer_ddp
