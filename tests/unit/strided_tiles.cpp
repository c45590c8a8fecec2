// Strided and 1 x 1 convolutions by matrix tiles against their definition in fp64 with operands rounded alike, over
// shapes, by the tiles that the processor has and by the plain form.
#include "kernels/strided_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "unit/convolution_reference.h"
#include "unit/tile_ways.h"

namespace fer_ddp {

namespace {

constexpr int kImages = 5;
constexpr double kTolerance = 1e-5;
constexpr std::array<int, 3> kLeaves{0, 3, kImages};

// A layer's kernel with all that it works on. Groups of so many pictures: 0 for as many as the plan says.
class Kernel {
 public:
  Kernel(const StridedShape& shape, const Values& weights, int pictures) : plan_(plan_strided_tiles(shape)) {
    if (pictures > 0) plan_.pictures = pictures;
    packed_ = AlignedBuffer<Bf16>(static_cast<size_t>(strided_tile_weights_size(plan_)));
    transposed_ = AlignedBuffer<Bf16>(packed_.size());
    scratch_ = AlignedBuffer<float>(static_cast<size_t>(strided_tile_scratch_size(plan_)));
    std::memset(scratch_.data(), 0xff, scratch_.size() * sizeof(float));  // NaN, as fp32 and as bf16
    for (int begin = 0; begin < shape.input_channels; begin += 32)
      strided_tile_pack_weights(plan_, weights.data(), begin, std::min(begin + 32, shape.input_channels),
                                packed_.data(), transposed_.data());
  }
  void forward(const Values& input, std::span<const int> leaves, std::span<float> output, const float* centre,
               double* sums) {
    strided_tile_forward(plan_, packed_.data(), {input.data()}, leaves, scratch_.data(), output.data(), centre, sums);
  }
  void backward(const Values& input, const MappedGradient& gradient, std::span<const int> leaves, bool add,
                Values& input_gradient, Values& weight_gradient) {
    strided_tile_backward(plan_, transposed_.data(), {input.data()}, gradient, leaves, scratch_.data(),
                          {.input = input_gradient.data(), .add_to_input = add, .weights = weight_gradient.data()});
  }

 private:
  StridedTilePlan plan_;
  AlignedBuffer<Bf16> packed_, transposed_;
  AlignedBuffer<float> scratch_;
};

class StridedTilesOf : public ::testing::TestWithParam<std::tuple<StridedShape, TileWay>> {
 protected:
  StridedTilesOf() { std::get<1>(GetParam()).take(); }
  ~StridedTilesOf() override { TileWay::leave(); }

  StridedShape shape_ = std::get<0>(GetParam());
  size_t channels_ = static_cast<size_t>(shape_.output_channels);
  Values input_ = random_values(kImages * shape_.input_size(), 1);
  Values weights_ = random_values(shape_.weights(), 2, 0.1F);
  Values gradient_ = random_values(kImages * shape_.output_size(), 3);
  Values centre_ = random_values(shape_.output_channels, 4);
};

TEST_P(StridedTilesOf, ForwardEqualsItsDefinitionInFp64) {
  Reference expected(gradient_.size());
  for_each_strided_product(
      shape_, kImages, [&](size_t i, size_t w, size_t o) { expected[o] += as_bf16(input_[i]) * as_bf16(weights_[w]); });
  Reference expected_sums(2 * 2 * channels_);
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t image = i / static_cast<size_t>(shape_.output_size());
    double* sums = expected_sums.data() + (image < static_cast<size_t>(kLeaves[1]) ? 0 : 2 * channels_);
    const double offset = expected[i] - double{centre_[i % channels_]};
    sums[i % channels_] += offset;
    sums[channels_ + i % channels_] += offset * offset;
  }
  for (const int pictures : {0, 1, 2}) {
    Kernel kernel(shape_, weights_, pictures);
    AlignedBuffer<float> output(expected.size());
    std::vector<double> sums(expected_sums.size());
    kernel.forward(input_, kLeaves, output.span(), centre_.data(), sums.data());
    EXPECT_LT(error_of(output.span(), expected), kTolerance);
    EXPECT_LT(error_of(sums, expected_sums), kTolerance);
    kernel.forward(input_, kLeaves, output.span(), nullptr, nullptr);
    EXPECT_LT(error_of(output.span(), expected), kTolerance) << "without sums";
  }
}

TEST_P(StridedTilesOf, BothGradientsEqualTheirDefinitionInFp64) {
  const Values before = random_values(static_cast<int64_t>(input_.size()), 5);
  Reference expected_input(before.size());
  Reference expected_weights(2 * weights_.size());
  for_each_strided_product(shape_, kImages, [&](size_t i, size_t w, size_t o) {
    const size_t image = i / static_cast<size_t>(shape_.input_size());
    expected_input[i] += as_bf16(gradient_[o]) * as_bf16(weights_[w]);
    expected_weights[w + (image < static_cast<size_t>(kLeaves[1]) ? 0 : weights_.size())] +=
        as_bf16(gradient_[o]) * as_bf16(input_[i]);
  });
  Reference expected_added = expected_input;
  for (size_t i = 0; i < before.size(); ++i) expected_added[i] += double{before[i]};
  for (const int pictures : {0, 1, 2}) {
    Kernel kernel(shape_, weights_, pictures);
    Values added = before;
    Values weights(expected_weights.size(), 7.0F);  // overwritten
    kernel.backward(input_, {.gradient = gradient_.data()}, kLeaves, true, added, weights);
    EXPECT_LT(error_of(added, expected_added), kTolerance);
    EXPECT_LT(error_of(weights, expected_weights), kTolerance);
    Values written(before.size(), std::numeric_limits<float>::quiet_NaN());
    kernel.backward(input_, {.gradient = gradient_.data()}, kLeaves, false, written, weights);
    EXPECT_LT(error_of(written, expected_input), kTolerance);
  }
}

TEST_P(StridedTilesOf, ALeafsResultsDoNotDependOnTheOtherLeavesOfItsCall) {
  const std::array<int, 4> leaves{0, 2, 2, kImages};  // the middle one is empty, as where the last batch is short
  Kernel kernel(shape_, weights_, 2);
  struct Results {
    Values output, input, weights;
    std::vector<double> sums;
  };
  const auto run = [&](std::span<const int> of) {
    const size_t count = of.size() - 1;
    Results results{Values(gradient_.size()), Values(input_.size()), Values(count * weights_.size(), 7.0F),
                    std::vector<double>(count * 2 * channels_)};
    kernel.forward(input_, of, results.output, centre_.data(), results.sums.data());
    kernel.backward(input_, {.gradient = gradient_.data()}, of, false, results.input, results.weights);
    return results;
  };
  const Results all = run(leaves);
  for (size_t leaf = 0; leaf < 3; ++leaf) {
    const Results own = run(std::span(leaves).subspan(leaf, 2));
    const auto is_part = [](const auto& part, const auto& whole, size_t from) {
      return std::equal(part.begin(), part.end(), whole.begin() + static_cast<ptrdiff_t>(from));
    };
    EXPECT_TRUE(is_part(own.sums, all.sums, leaf * 2 * channels_)) << leaf;
    EXPECT_TRUE(is_part(own.weights, all.weights, leaf * weights_.size())) << leaf;
    const auto same_images = [&](const Values& part, const Values& whole, int64_t size) {
      return std::equal(part.begin() + leaves[leaf] * size, part.begin() + leaves[leaf + 1] * size,
                        whole.begin() + leaves[leaf] * size);
    };
    EXPECT_TRUE(same_images(own.output, all.output, shape_.output_size())) << leaf;
    EXPECT_TRUE(same_images(own.input, all.input, shape_.input_size())) << leaf;
    if (leaves[leaf] == leaves[leaf + 1]) {
      EXPECT_EQ(own.weights, Values(weights_.size(), 0.0F));
    }
  }
}

// As a normalisation, ReLU and a pool after the layer have it.
TEST(StridedTiles, TheGradientMayBeMappedAndPooled) {
  for (const TileWay& way : tile_ways())
    for (const bool pooled : {false, true}) {
      SCOPED_TRACE(::testing::PrintToString(way) + (pooled ? ", pooled" : ""));
      way.take();
      Layer layer({9, 8, 32, 48, 1}, 3, true, pooled);
      layer.input_is_mapped = false;
      const ExpectedBackward expected(layer, as_bf16);
      const StridedShape shape{9, 8, 32, 48, 3, 1, 1};
      for (const int pictures : {1, 2}) {
        Kernel kernel(shape, layer.weights, pictures);
        Values input(layer.input.size());
        Values weights(layer.weights.size());
        kernel.backward(layer.input, layer.seen_gradient(), layer.leaf(), false, input, weights);
        EXPECT_LT(error_of(input, expected.input), kTolerance);
        EXPECT_LT(error_of(weights, expected.weights), kTolerance);
      }
      TileWay::leave();
    }
}

TEST(StridedTiles, ChannelsThatVectorsDoNotFitAreRefused) {
  EXPECT_THROW((void)plan_strided_tiles({.height = 6, .width = 6, .input_channels = 8, .output_channels = 16}),
               std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, StridedTilesOf,
    ::testing::Combine(::testing::Values(StridedShape{6, 6, 16, 32, 1, 1, 0}, StridedShape{5, 9, 48, 16, 1, 2, 0},
                                         StridedShape{8, 8, 32, 64, 3, 2, 1}, StridedShape{7, 5, 16, 80, 3, 2, 1},
                                         StridedShape{7, 6, 16, 16, 3, 2, 0}, StridedShape{12, 12, 144, 32, 1, 1, 0},
                                         StridedShape{48, 48, 32, 64, 3, 2, 1},  // past the cache
                                         StridedShape{4, 4, 272, 48, 3, 2, 1}, StridedShape{1, 1, 16, 16, 3, 2, 1}),
                       ::testing::ValuesIn(tile_ways())));

}  // namespace

}  // namespace fer_ddp
