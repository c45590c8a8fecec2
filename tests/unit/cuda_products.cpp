// The products of src/cuda/kernels on the host, against loops in fp64 over values of the operands' own precision:
// forward, input gradient and weight gradient of convolutions, and dense layers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "cuda/kernels/product.cuh"

namespace fer_ddp::cuda {

namespace {

struct Case {
  const char* name;
  DeviceConvolution shape;
  int multiprocessors = 4;
};

DeviceConvolution convolution(int images, int height, int width, int inputs, int outputs, int kernel, int stride,
                              int padding) {
  const auto reached = [&](int extent) { return (extent + 2 * padding - kernel) / stride + 1; };
  return {.input = {images, height, width, inputs},
          .output = {images, reached(height), reached(width), outputs},
          .kernel = kernel,
          .stride = stride,
          .padding = padding};
}

std::vector<Case> cases() {
  return {{"one position", convolution(1, 3, 3, 16, 16, 3, 1, 0)},
          {"valid", convolution(2, 9, 7, 32, 64, 3, 1, 0)},
          {"padded, more columns than a tile", convolution(2, 6, 5, 16, 80, 3, 1, 1)},
          {"stride 2, odd", convolution(3, 7, 9, 48, 32, 3, 2, 1)},
          {"stride 2, even", convolution(1, 8, 6, 32, 16, 3, 2, 1)},
          {"1 x 1 of stride 2", convolution(2, 5, 6, 32, 48, 1, 2, 0)},
          {"1 x 1", convolution(2, 4, 4, 64, 16, 1, 1, 0)},
          {"as many outputs as a tile has rows", convolution(2, 5, 4, 16, 144, 3, 1, 1)},
          {"many parts", convolution(4, 13, 13, 16, 16, 3, 1, 1), 132}};
}
std::vector<Case> dense_cases() {
  return {{"few", convolution(5, 1, 1, 48, 16, 1, 1, 0)},
          {"more images than a tile", convolution(150, 1, 1, 64, 112, 1, 1, 0)},
          {"parts", convolution(9, 1, 1, 1040, 128, 1, 1, 0), 16}};
}

// Values, with room behind them that must stay as it is.
template <typename T>
class Values {
 public:
  explicit Values(int64_t size) : size_(static_cast<size_t>(size)), values_(size_ + kRoom + 8) {
    std::memset(static_cast<void*>(values_.data()), 0xff, values_.size() * sizeof(T));
  }
  Values(int64_t size, std::mt19937_64& random) : Values(size) {
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < size_; ++i) data()[i] = from_float<T>(normal(random));
  }
  // Vectors of 16 bytes must lie at such addresses.
  T* data() {
    const auto address = reinterpret_cast<uintptr_t>(values_.data());
    return reinterpret_cast<T*>((address + 15) / 16 * 16);
  }
  double operator[](int64_t i) { return static_cast<double>(to_float(data()[i])); }
  [[nodiscard]] bool is_untouched_behind() {
    const auto* bytes = reinterpret_cast<const unsigned char*>(data() + size_);
    return std::all_of(bytes, bytes + kRoom * sizeof(T), [](unsigned char byte) { return byte == 0xff; });
  }

 private:
  static constexpr size_t kRoom = 64;
  size_t size_;
  std::vector<T> values_;
};

// Calls visit(output position, input position, tap) for each pair that a tap joins.
template <typename Visit>
void for_each_tap(const DeviceConvolution& shape, const Visit& visit) {
  for (int n = 0; n < shape.output.images; ++n)
    for (int y = 0; y < shape.output.height; ++y)
      for (int x = 0; x < shape.output.width; ++x)
        for (int tap = 0; tap < shape.taps(); ++tap) {
          const int from_y = y * shape.stride - shape.padding + tap / shape.kernel;
          const int from_x = x * shape.stride - shape.padding + tap % shape.kernel;
          if (from_y < 0 || from_y >= shape.input.height || from_x < 0 || from_x >= shape.input.width) continue;
          visit((int64_t{n} * shape.output.height + y) * shape.output.width + x,
                (int64_t{n} * shape.input.height + from_y) * shape.input.width + from_x, tap);
        }
}

// The largest difference, in units of the root of the mean square; NaN where there is one.
double error_of(const std::vector<double>& expected, const std::function<double(int64_t)>& found) {
  double squares = 0;
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(expected[i] - found(static_cast<int64_t>(i)));
    worst = error <= worst || std::isnan(worst) ? worst : error;
    squares += expected[i] * expected[i];
  }
  return worst / std::sqrt(squares / static_cast<double>(expected.size()));
}

template <template <typename, typename> typename Math_, typename T_>
struct Kind {
  template <typename A, typename B>
  using Math = Math_<A, B>;
  using T = T_;
};
struct Fp32 : Kind<FloatMath, float> {
  static constexpr double kProduct = 1e-5;  // of one in fp32, as a share of its size
  static constexpr double kStored = 0;      // of rounding what is stored
};
struct Tf32 : Kind<Tf32Math, float> {
  static constexpr double kProduct = 3e-3;
  static constexpr double kStored = 0;
};
struct Bfloat16 : Kind<Bf16Math, Bf16> {
  static constexpr double kProduct = 1e-5;
  static constexpr double kStored = 2e-2;
};

template <typename K>
class Products : public ::testing::Test {};
using Kinds = ::testing::Types<Fp32, Tf32, Bfloat16>;
TYPED_TEST_SUITE(Products, Kinds);

LaunchContext context_of(const Case& each) { return {.multiprocessors = each.multiprocessors}; }

TYPED_TEST(Products, ConvolveAsFp64Does) {
  using T = typename TypeParam::T;
  std::mt19937_64 random(1);
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    const DeviceConvolution& shape = each.shape;
    const int inputs = shape.input.channels;
    const int outputs = shape.output.channels;
    Values<T> input(shape.input.size(), random);
    Values<T> weights(shape.weights(), random);
    Values<T> output(shape.output.size());
    launch_convolution<TypeParam::template Math, T>(context_of(each), shape, input.data(), weights.data(),
                                                    output.data());
    std::vector<double> expected(static_cast<size_t>(shape.output.size()));
    for_each_tap(shape, [&](int64_t to, int64_t from, int tap) {
      for (int o = 0; o < outputs; ++o)
        for (int i = 0; i < inputs; ++i)
          expected[static_cast<size_t>(to * outputs + o)] +=
              input[from * inputs + i] * weights[(int64_t{o} * shape.taps() + tap) * inputs + i];
    });
    EXPECT_LT(error_of(expected, [&](int64_t i) { return output[i]; }), TypeParam::kProduct + TypeParam::kStored);
    EXPECT_TRUE(output.is_untouched_behind());
  }
}

TYPED_TEST(Products, TakeInputGradientsAsFp64Does) {
  using T = typename TypeParam::T;
  std::mt19937_64 random(2);
  for (const Case& each : cases())
    for (const bool add : {false, true}) {
      SCOPED_TRACE(each.name);
      const DeviceConvolution& shape = each.shape;
      const int inputs = shape.input.channels;
      const int outputs = shape.output.channels;
      Values<T> output_gradient(shape.output.size(), random);
      Values<T> weights(shape.weights(), random);
      Values<T> gradient(shape.input.size(), random);
      std::vector<double> expected(static_cast<size_t>(shape.input.size()));
      if (add)
        for (size_t i = 0; i < expected.size(); ++i) expected[i] = gradient[static_cast<int64_t>(i)];
      launch_input_gradient<TypeParam::template Math, T>(context_of(each), shape, output_gradient.data(),
                                                         weights.data(), gradient.data(), add);
      for_each_tap(shape, [&](int64_t from, int64_t to, int tap) {
        for (int o = 0; o < outputs; ++o)
          for (int i = 0; i < inputs; ++i)
            expected[static_cast<size_t>(to * inputs + i)] +=
                output_gradient[from * outputs + o] * weights[(int64_t{o} * shape.taps() + tap) * inputs + i];
      });
      EXPECT_LT(error_of(expected, [&](int64_t i) { return gradient[i]; }), TypeParam::kProduct + TypeParam::kStored);
      EXPECT_TRUE(gradient.is_untouched_behind());
    }
}

TYPED_TEST(Products, TakeWeightGradientsAsFp64Does) {
  using T = typename TypeParam::T;
  std::mt19937_64 random(3);
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    const DeviceConvolution& shape = each.shape;
    const int inputs = shape.input.channels;
    const int outputs = shape.output.channels;
    Values<T> input(shape.input.size(), random);
    Values<T> output_gradient(shape.output.size(), random);
    const auto [parts, is_turned] = weight_gradient_parts<T>(context_of(each), shape);
    Values<float> found(parts * shape.weights());
    launch_weight_gradient<TypeParam::template Math, T>(context_of(each), shape, input.data(), output_gradient.data(),
                                                        found.data());
    std::vector<double> expected(static_cast<size_t>(shape.weights()));
    for_each_tap(shape, [&](int64_t to, int64_t from, int tap) {
      for (int i = 0; i < inputs; ++i)
        for (int o = 0; o < outputs; ++o)
          expected[static_cast<size_t>(is_turned ? (int64_t{tap} * inputs + i) * outputs + o
                                                 : (int64_t{o} * shape.taps() + tap) * inputs + i)] +=
              input[from * inputs + i] * output_gradient[to * outputs + o];
    });
    const auto sum = [&](int64_t i) {
      double of_parts = 0;
      for (int part = 0; part < parts; ++part) of_parts += found[part * shape.weights() + i];
      return of_parts;
    };
    EXPECT_LT(error_of(expected, sum), TypeParam::kProduct);
    EXPECT_TRUE(found.is_untouched_behind());
    EXPECT_EQ(parts > 1, each.multiprocessors > 100);
  }
}

TYPED_TEST(Products, MakeDenseLayersAsFp64Does) {
  using T = typename TypeParam::T;
  std::mt19937_64 random(4);
  for (const Case& each : dense_cases()) {
    SCOPED_TRACE(each.name);
    const int images = each.shape.input.images;
    const int inputs = each.shape.input.channels;
    const int units = each.shape.output.channels;
    Values<T> rows(int64_t{images} * inputs, random);
    Values<T> weights(int64_t{units} * inputs, random);
    const int parts = dense_parts<T>(context_of(each), each.shape);
    Values<float> found(int64_t{parts} * images * units);
    launch_dense<TypeParam::template Math, T>(context_of(each), each.shape, rows.data(), weights.data(), found.data());
    std::vector<double> expected(static_cast<size_t>(images * units));
    for (int n = 0; n < images; ++n)
      for (int u = 0; u < units; ++u)
        for (int i = 0; i < inputs; ++i)
          expected[static_cast<size_t>(n * units + u)] +=
              rows[int64_t{n} * inputs + i] * weights[int64_t{u} * inputs + i];
    const auto sum = [&](int64_t i) {
      double of_parts = 0;
      for (int part = 0; part < parts; ++part) of_parts += found[int64_t{part} * images * units + i];
      return of_parts;
    };
    EXPECT_LT(error_of(expected, sum), TypeParam::kProduct);
    EXPECT_TRUE(found.is_untouched_behind());
    EXPECT_EQ(parts > 1, each.multiprocessors > 4);
  }
}

TYPED_TEST(Products, AreTheSameBitsInAnyOrderOfThreads) {
  using T = typename TypeParam::T;
  const Case each{"", convolution(3, 7, 9, 48, 32, 3, 2, 1)};
  std::vector<double> first;
  for (const uint64_t order : {1, 2, 3}) {
    cuda_on_host::set_order(order);
    std::mt19937_64 random(5);
    Values<T> input(each.shape.input.size(), random);
    Values<T> weights(each.shape.weights(), random);
    Values<T> output(each.shape.output.size());
    launch_convolution<TypeParam::template Math, T>(context_of(each), each.shape, input.data(), weights.data(),
                                                    output.data());
    std::vector<double> found;
    for (int64_t i = 0; i < each.shape.output.size(); ++i) found.push_back(output[i]);
    if (first.empty()) first = found;
    EXPECT_EQ(found, first);
  }
}

}  // namespace

}  // namespace fer_ddp::cuda
