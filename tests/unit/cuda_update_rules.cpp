// The CUDA kernels that update weights, on the host against fp64.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "cuda/kernels/gradient_clip.cuh"
#include "cuda/kernels/muon.cuh"
#include "cuda/kernels/update_rules.cuh"
#include "unit/cuda_kernel_memory.h"

namespace fer_ddp::cuda {

namespace {

using ValueTypes = ::testing::Types<float, Bf16>;

constexpr double kRate = 0.01;
constexpr double kDecayNumber = 0.9;
constexpr double kShare = 0.3;
constexpr double kFactor = 0.5;

// What all rules take and leave, of every third group decaying.
template <typename T>
struct UpdateCase {
  size_t size;
  bool has_all;  // clipped, decaying by group, averaged, with values
  Doubles weights, gradient, average;
  std::vector<uint8_t> decaying;
  KernelMemory memory{};
  T* values = nullptr;
  WeightUpdate update{};

  UpdateCase(int size_, bool has_all_)
      : size(static_cast<size_t>(size_)),
        has_all(has_all_),
        weights(random_numbers(size_, 1)),
        gradient(random_numbers(size_, 2)),
        average(random_numbers(size_, 3)) {
    for (int group = 0; group < size_ / kWeightsOfAGroup; ++group) decaying.push_back(group % 3 == 0 ? 1 : 0);
    values = memory.output<T>(size_);
    update = {.size = size_,
              .weights = floats(weights),
              .gradient = memory.input(as_values<float>(gradient)),
              .numbers = memory.input(as_values<float>({kRate, kDecayNumber, kShare}))};
    if (!has_all) return;
    update.gradient_factor = memory.input(as_values<float>({kFactor}));
    update.average = floats(average);
    update.values = values;
    for (double& each : gradient) each *= kFactor;
  }

  // Memory that a kernel reads and writes.
  [[nodiscard]] float* floats(const Doubles& numbers) { return memory.output(as_values<float>(numbers)); }
  [[nodiscard]] const uint8_t* decaying_groups() { return has_all ? memory.input(decaying) : nullptr; }
  [[nodiscard]] bool decays(size_t i) const { return !has_all || decaying[i / kWeightsOfAGroup] != 0; }

  // Of those that are updated; others are not touched.
  void expect_weights(
      Doubles expected, const std::function<bool(size_t)>& is_updated = [](size_t) { return true; }) {
    expect_values(update.weights, expected, "weights");
    if (!has_all) return;
    Doubles new_average;
    for (size_t i = 0; i < size; ++i) {
      new_average.push_back(average[i] + (is_updated(i) ? kShare * (expected[i] - average[i]) : 0));
      if (is_updated(i)) continue;
      EXPECT_TRUE(std::isnan(number(values[i]))) << "values " << i;
      values[i] = from_float<T>(0);
      expected[i] = 0;
    }
    expect_values(update.average, new_average, "average");
    expect_values(values, expected, "values");
  }
};

constexpr int kSizes[] = {0, 16, 1040, 4096};

template <typename T>
class CudaUpdateRules : public ::testing::Test {};
TYPED_TEST_SUITE(CudaUpdateRules, ValueTypes);

TYPED_TEST(CudaUpdateRules, AdamStepsAsItsFormulaSays) {
  for (const int size : kSizes)
    for (const bool decays : {false, true})
      for (const bool has_all : {false, true}) {
        UpdateCase<TypeParam> own(size, has_all);
        const Doubles m = random_numbers(size, 4);
        Doubles v = random_numbers(size, 5);
        for (double& each : v) each = each * each;
        const AdamStep work{.update = own.update,
                            .m = own.floats(m),
                            .v = own.floats(v),
                            .new_share1 = 0.1F,
                            .new_share2 = 0.001F,
                            .epsilon = 1e-7F,
                            .decays = decays,
                            .decaying = own.decaying_groups()};
        own.memory.run([&] { launch_adam<TypeParam>({}, work); });
        Doubles new_m, new_v, new_w;
        for (size_t i = 0; i < own.size; ++i) {
          const double g = own.gradient[i];
          new_m.push_back(m[i] + (g - m[i]) * 0.1);
          new_v.push_back(v[i] + (g * g - v[i]) * 0.001);
          const double kept = decays && own.decays(i) ? own.weights[i] * kDecayNumber : own.weights[i];
          new_w.push_back(kept - new_m[i] * kRate / (std::sqrt(new_v[i]) + 1e-7));
        }
        expect_values(work.m, new_m, "m");
        expect_values(work.v, new_v, "v");
        own.expect_weights(new_w);
      }
}

TYPED_TEST(CudaUpdateRules, SgdStepsAsItsFormulaSays) {
  for (const int size : kSizes)
    for (const double decay : {0.0, 0.2})
      for (const double momentum : {0.0, 0.7})
        for (const bool nesterov : {false, true})
          for (const bool has_all : {false, true}) {
            UpdateCase<TypeParam> own(size, has_all);
            const Doubles u = random_numbers(size, 4);
            const SgdStep work{.update = own.update,
                               .velocity = momentum > 0 ? own.floats(u) : nullptr,
                               .momentum = static_cast<float>(momentum),
                               .nesterov = nesterov,
                               .decay = static_cast<float>(decay),
                               .decaying = own.decaying_groups()};
            own.memory.run([&] { launch_sgd<TypeParam>({}, work); });
            Doubles new_u, new_w;
            for (size_t i = 0; i < own.size; ++i) {
              const double decayed = own.gradient[i] + (own.decays(i) ? decay * own.weights[i] : 0);
              new_u.push_back(momentum * u[i] - kRate * decayed);
              const double change = nesterov ? momentum * new_u[i] - kRate * decayed : new_u[i];
              new_w.push_back(own.weights[i] + (momentum > 0 ? change : -kRate * decayed));
            }
            if (momentum > 0) expect_values(work.velocity, new_u, "velocity");
            own.expect_weights(new_w);
          }
}

// Every other three groups a filter's, in reversed order.
TYPED_TEST(CudaUpdateRules, MuonGivesFiltersDirectionsAndStepsAlongTheOthers) {
  for (const int size : kSizes)
    for (const bool has_all : {false, true}) {
      UpdateCase<TypeParam> own(size, has_all);
      const int groups = size / kWeightsOfAGroup;
      std::vector<int32_t> places;
      int32_t filters = 0;
      for (int group = 0; group < groups; ++group)
        if (group / 3 % 2 == 1) ++filters;
      const int64_t filter_size = int64_t{filters} * kWeightsOfAGroup;
      for (int group = 0; group < groups; ++group)
        places.push_back(group / 3 % 2 == 1                                          ? --filters
                         : own.decays(static_cast<size_t>(group) * kWeightsOfAGroup) ? MuonDirections::kDecaying
                                                                                     : MuonDirections::kNotDecaying);
      const Doubles m = random_numbers(size, 4);
      const MuonDirections work{.update = own.update,
                                .m = own.floats(m),
                                .places = own.memory.input(places),
                                .directions = own.memory.template output<float>(filter_size),
                                .filter_size = filter_size,
                                .momentum = 0.6F,
                                .other_momentum = 0.8F,
                                .other_decay = 0.2F,
                                .other_rate = 0.3F};
      own.memory.run([&] { launch_muon_directions<TypeParam>({}, work); });
      Doubles new_m, new_w, directions(static_cast<size_t>(filter_size));
      for (size_t i = 0; i < own.size; ++i) {
        const int32_t place = places[i / kWeightsOfAGroup];
        const double momentum = place >= 0 ? 0.6 : 0.8;
        const double g = own.gradient[i] + (place == MuonDirections::kDecaying ? 0.2 * own.weights[i] : 0);
        new_m.push_back(momentum * m[i] + g);
        const double direction = g + momentum * new_m[i];
        if (place >= 0) directions[static_cast<size_t>(place) * kWeightsOfAGroup + i % kWeightsOfAGroup] = direction;
        new_w.push_back(own.weights[i] - (place >= 0 ? 0 : 0.3 * kRate * direction));
      }
      expect_values(work.m, new_m, "m");
      expect_values(work.directions, directions, "directions");
      own.expect_weights(new_w, [&](size_t i) { return places[i / kWeightsOfAGroup] < 0; });
    }
}

// More matrices than one launch takes, of up to a few blocks, and other weights between them.
TYPED_TEST(CudaUpdateRules, MuonStepsAlongTheDirectionsOfFilters) {
  constexpr int kMatrices = kMostMatricesAtOnce + 3;
  std::vector<MuonMatrix> matrices;
  int64_t size = 0;
  for (int i = 0; i < kMatrices; ++i) {
    const int64_t matrix_size = (i % 7 == 0 ? 2064 : 16) * (1 + i % 3);
    matrices.push_back({.begin = size, .size = matrix_size, .scale = 1 + 0.1F * static_cast<float>(i % 4)});
    size += matrix_size + (i % 2 == 0 ? 16 : 0);
  }
  for (const bool has_all : {false, true}) {
    UpdateCase<TypeParam> own(static_cast<int>(size), has_all);
    std::vector<bool> is_filter(own.size);
    Doubles new_w = own.weights;
    for (MuonMatrix& matrix : matrices) {
      const Doubles direction = random_numbers(matrix.size, static_cast<unsigned>(matrix.begin));
      matrix.direction = own.memory.input(as_values<float>(direction));
      for (size_t i = 0; i < direction.size(); ++i) {
        const size_t at = static_cast<size_t>(matrix.begin) + i;
        is_filter[at] = true;
        new_w[at] = own.weights[at] * (1 - kDecayNumber) - double{matrix.scale} * kRate * direction[i];
      }
    }
    own.memory.run([&] { launch_muon_filters<TypeParam>({}, {.update = own.update, .matrices = matrices}); });
    own.expect_weights(new_w, [&](size_t i) { return is_filter[i]; });
  }
}

// ---- Clipping ----

// What becomes of a gradient at this bound.
float clip_factor_of(const Doubles& gradient, float clip) {
  KernelMemory memory;
  std::vector<float> parts(1 + GradientClip::kMostParts, std::numeric_limits<float>::quiet_NaN());
  parts[0] = 0;
  const GradientClip work{.size = static_cast<int64_t>(gradient.size()),
                          .gradient = memory.input(as_values<float>(gradient)),
                          .clip = clip,
                          .parts = memory.output(parts),
                          .factor = memory.output<float>(1)};
  memory.run([&] {
    launch_gradient_clip({}, work);
    launch_gradient_clip({}, work);  // its memory is left as it was found
  });
  return *work.factor;
}

// The last of them is more than one block's share for each of the most blocks.
TEST(CudaGradientClip, DividesByTheNormWhereThatIsLarger) {
  for (const int64_t size : {16, 1040, 40000, GradientClip::kMostParts * 1024 + 4112}) {
    const Doubles gradient = random_numbers(size, 1);
    double squares = 0;
    for (const double each : gradient) squares += each * each;
    const double norm = std::sqrt(squares);
    EXPECT_NEAR(double{clip_factor_of(gradient, 0.5F)} * norm, 0.5, 1e-6) << size;
    EXPECT_EQ(clip_factor_of(gradient, static_cast<float>(1.01 * norm)), 1.0F) << size;
  }
  EXPECT_EQ(clip_factor_of({}, 1), 1.0F);
}

TEST(CudaGradientClip, ShowsAGradientThatIsNoNumber) {
  Doubles gradient = random_numbers(3008, 1);
  gradient[1234] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(clip_factor_of(gradient, 1)));
}

}  // namespace

}  // namespace fer_ddp::cuda
