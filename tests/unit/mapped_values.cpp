// Passes over values that are read through a map, and a dense layer's products, against their definitions, on each
// instruction set.
#include "kernels/mapped_values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/dense_product.h"
#include "kernels/instruction_sets.h"
#include "unit/convolution_reference.h"

namespace fer_ddp {

namespace {

class MappedValuesOf : public ::testing::TestWithParam<std::tuple<int, std::string>> {
 protected:
  MappedValuesOf() { use_instruction_set(std::get<1>(GetParam())); }
  ~MappedValuesOf() override { use_instruction_set(""); }

  static constexpr int64_t kRows = 77;  // more than two blocks of sums
  int channels_ = std::get<0>(GetParam());
  int64_t size_ = kRows * channels_;
  Values values_ = random_values(size_, 1);
  Values gradient_ = random_values(size_, 2);
  Values scale_ = random_values(channels_, 3);
  Values shift_ = random_values(channels_, 4);
  Values mean_ = random_values(channels_, 5);

  [[nodiscard]] MappedValues mapped() const { return {values_.data(), scale_.data(), shift_.data()}; }
  [[nodiscard]] size_t channel_of(size_t index) const { return index % static_cast<size_t>(channels_); }
  [[nodiscard]] double seen(size_t i) const {
    const size_t c = channel_of(i);
    return std::max(0.0, double{values_[i]} * double{scale_[c]} + double{shift_[c]});
  }
};

TEST_P(MappedValuesOf, AreWrittenOutAsTheirReadersSeeThem) {
  Reference expected(values_.size());
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = seen(i);
  Values out(values_.size());
  apply_map(mapped(), kRows, channels_, out.data());
  EXPECT_LT(error_of(out, expected), 1e-6);
  apply_map({values_.data()}, kRows, channels_, out.data());
  EXPECT_EQ(out, values_);
}

TEST_P(MappedValuesOf, SumWhatReluLetsThrough) {
  for (const bool is_mapped : {false, true}) {
    Reference expected(static_cast<size_t>(2 * channels_), 1.0);  // added to
    for (size_t i = 0; i < values_.size(); ++i) {
      if (is_mapped && seen(i) <= 0) continue;
      const size_t c = channel_of(i);
      expected[c] += double{gradient_[i]};
      expected[static_cast<size_t>(channels_) + c] += double{gradient_[i]} * (double{values_[i]} - double{mean_[c]});
    }
    std::vector<double> sums(expected.size(), 1.0);
    add_live_sums(is_mapped ? mapped() : MappedValues{values_.data()}, gradient_.data(), mean_.data(), kRows, channels_,
                  sums.data());
    EXPECT_LT(error_of(sums, expected), 1e-6) << is_mapped;
  }
}

TEST_P(MappedValuesOf, GiveTheGradientOfWhatTheyAreMadeOf) {
  const Values from_gradient = random_values(channels_, 6);
  const Values from_value = random_values(channels_, 7);
  const Values constant = random_values(channels_, 8);
  Reference expected(values_.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t c = channel_of(i);
    const double live = seen(i) > 0 ? double{gradient_[i]} : 0.0;
    expected[i] = live * double{from_gradient[c]} + double{values_[i]} * double{from_value[c]} + double{constant[c]};
  }
  Values dz = gradient_;
  mapped_gradient({.gradient = dz.data(),
                   .winners = nullptr,
                   .z = mapped(),
                   .from_gradient = from_gradient.data(),
                   .from_value = from_value.data(),
                   .constant = constant.data()},
                  kRows, channels_, dz.data());
  EXPECT_LT(error_of(dz, expected), 1e-6);
}

// An odd side, whose last row and column no window covers; winner 4 is of none.
TEST_P(MappedValuesOf, TakeAPoolsGradientWhereItsWinnerWas) {
  constexpr int kImages = 2;
  const PooledShape shape{5, 7, channels_};
  const int64_t pooled_size = kImages * shape.pooled_positions() * channels_;
  const Values pooled = random_values(pooled_size, 9);
  std::vector<uint8_t> winners(static_cast<size_t>(pooled_size));
  for (size_t i = 0; i < winners.size(); ++i) winners[i] = static_cast<uint8_t>(i * 7 % 5);
  Values gradient = random_values(kImages * shape.positions() * channels_, 10);
  Reference expected(gradient.begin(), gradient.end());
  size_t from = 0;
  for (int image = 0; image < kImages; ++image)
    for (int y = 0; y < shape.height / 2; ++y)
      for (int x = 0; x < shape.width / 2; ++x)
        for (int c = 0; c < channels_; ++c, ++from) {
          if (winners[from] == 4) continue;
          const int row = 2 * y + winners[from] / 2;
          const int column = 2 * x + winners[from] % 2;
          expected[static_cast<size_t>(((image * shape.height + row) * shape.width + column) * channels_ + c)] +=
              double{pooled[from]};
        }
  add_max_pool_gradient(shape, pooled.data(), winners.data(), kImages, gradient.data());
  EXPECT_LT(error_of(gradient, expected), 1e-6);
}

// As many inputs as a block of vectors and a rest; images a multiple of those that share a row of weights, and not.
TEST_P(MappedValuesOf, GoThroughADenseLayer) {
  const DenseSize size{5 * channels_, 7};
  const Values weights = random_values(int64_t{size.inputs} * size.outputs, 11);
  const Values bias = random_values(size.outputs, 12);
  for (const int images : {0, 1, 4, 7}) {
    const Values x = random_values(int64_t{images} * size.inputs, 13);
    const Values dy = random_values(int64_t{images} * size.outputs, 14);
    const auto inputs = static_cast<size_t>(size.inputs);
    const auto outputs = static_cast<size_t>(size.outputs);
    Reference y(static_cast<size_t>(images) * outputs), dx(x.size()), dw(weights.size()), db(outputs);
    for (size_t i = 0; i < static_cast<size_t>(images); ++i)
      for (size_t u = 0; u < outputs; ++u) {
        const double gradient = double{dy[i * outputs + u]};
        y[i * outputs + u] = double{bias[u]};
        db[u] += gradient;
        for (size_t k = 0; k < inputs; ++k) {
          y[i * outputs + u] += double{x[i * inputs + k]} * double{weights[u * inputs + k]};
          dx[i * inputs + k] += gradient * double{weights[u * inputs + k]};
          dw[u * inputs + k] += gradient * double{x[i * inputs + k]};
        }
      }
    Values found(y.size()), found_dx(x.size()), found_dw(weights.size(), 3.0F), found_db(outputs, 3.0F);
    dense_product(size, weights.data(), bias.data(), x.data(), images, found.data());
    dense_input_gradient(size, weights.data(), dy.data(), images, found_dx.data());
    dense_weight_gradient(size, x.data(), dy.data(), images, found_dw.data(), found_db.data());
    EXPECT_LT(error_of(found, y), 1e-5) << images;
    EXPECT_LT(error_of(found_dx, dx), 1e-5) << images;
    EXPECT_LT(error_of(found_dw, dw), 1e-5) << images;
    EXPECT_LT(error_of(found_db, db), 1e-5) << images;
  }
}

INSTANTIATE_TEST_SUITE_P(All, MappedValuesOf,
                         ::testing::Combine(::testing::Values(16, 48), ::testing::ValuesIn(instruction_sets())));

}  // namespace

}  // namespace fer_ddp
