// The first layer's convolution against a direct one in fp64, over shapes and on each instruction set.
#include "kernels/image_convolution.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/instruction_sets.h"
#include "unit/convolution_reference.h"

namespace fer_ddp {

namespace {

constexpr double kTolerance = 3e-6;

class ImageConvolutionOf : public ::testing::TestWithParam<std::tuple<Case, std::string>> {
 protected:
  ImageConvolutionOf() { use_instruction_set(std::get<1>(GetParam())); }
  ~ImageConvolutionOf() override { use_instruction_set(""); }

  static Layer layer() {
    const Case& c = std::get<0>(GetParam());
    Layer layer({c.height, c.width, 1, c.outputs, c.padding}, c.images, c.mapped, c.pooled);
    layer.input_is_mapped = false;
    return layer;
  }
};

TEST_P(ImageConvolutionOf, ForwardEqualsTheDirectConvolutionInFp64) {
  const Layer layer = ImageConvolutionOf::layer();
  const ExpectedForward expected(layer);
  AlignedBuffer<float> scratch(static_cast<size_t>(image_convolution_scratch_size(layer.shape)));
  AlignedBuffer<float> output(expected.output.size());
  std::vector<double> sums(expected.sums.size());
  image_convolution(layer.shape, layer.weights.data(), layer.input.data(), layer.images, scratch.data(), output.data(),
                    layer.centre.data(), sums.data());
  EXPECT_LT(error_of(output.span(), expected.output), kTolerance);
  EXPECT_LT(error_of(sums, expected.sums), kTolerance);
}

TEST_P(ImageConvolutionOf, TheWeightsGradientEqualsTheDirectOneInFp64) {
  const Layer layer = ImageConvolutionOf::layer();
  const ExpectedBackward expected(layer);
  AlignedBuffer<float> scratch(static_cast<size_t>(image_convolution_scratch_size(layer.shape)));
  Values weights(layer.weights.size(), 7.0F);  // overwritten
  image_convolution_gradient(layer.shape, layer.input.data(), layer.seen_gradient(), layer.images, scratch.data(),
                             weights.data());
  EXPECT_LT(error_of(weights, expected.weights), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ImageConvolutionOf,
    ::testing::Combine(::testing::Values(Case{24, 24, 1, 32, 1, 3, true, false}, Case{13, 10, 1, 16, 1, 2, true, true},
                                         Case{12, 9, 1, 48, 0, 2, false, false}, Case{1, 1, 1, 16, 1, 2, true, false}),
                       ::testing::ValuesIn(instruction_sets())));

}  // namespace

}  // namespace fer_ddp
