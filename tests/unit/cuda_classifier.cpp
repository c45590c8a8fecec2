// The CUDA kernels at the end of a network and behind it, on the host against fp64: the classifier, and sums of
// weights' gradients.
#include <gtest/gtest.h>

#include <vector>

#include "cuda/kernels/classify.cuh"
#include "cuda/kernels/weights.cuh"
#include "unit/cuda_kernel_memory.h"

namespace fer_ddp::cuda {

namespace {

using ValueTypes = ::testing::Types<float, Bf16>;

size_t place_of(int row, int columns, int column) {
  return static_cast<size_t>(row) * static_cast<size_t>(columns) + static_cast<size_t>(column);
}

// softmax(logits / temperature).
Doubles softmax(const double* logits, double temperature) {
  Doubles shares;
  double sum = 0;
  for (int k = 0; k < kClasses; ++k) {
    shares.push_back(std::exp(logits[k] / temperature));
    sum += shares.back();
  }
  for (double& share : shares) share /= sum;
  return shares;
}

// What two teachers say.
struct Lesson {
  double weight = 0;
  double temperature = 1;
  int64_t room = 0;
  Doubles logits{};  // [2][room][7]

  [[nodiscard]] double mean(int image, size_t k) const {
    const double* first = logits.data() + place_of(image, kClasses, 0);
    return (softmax(first, temperature)[k] + softmax(first + room * kClasses, temperature)[k]) / 2;
  }
};

// A classifier's numbers in fp64.
struct ClassifyReference {
  Doubles logits, logit_gradient, row_gradient, results;

  ClassifyReference(int images, int inputs, const Doubles& rows, const Doubles& weights, const Doubles& bias,
                    const Doubles& targets, const std::vector<int32_t>& labels, double scale, const Lesson& lesson) {
    for (int n = 0; n < images; ++n) {
      Doubles own = bias;
      for (int k = 0; k < kClasses; ++k)
        for (int i = 0; i < inputs; ++i)
          own[static_cast<size_t>(k)] += rows[place_of(n, inputs, i)] * weights[place_of(k, inputs, i)];
      double sum = 0;
      for (const double logit : own) sum += std::exp(logit);
      const Doubles softened = softmax(own.data(), lesson.temperature);
      double loss = 0;
      Doubles slope(kClasses);
      for (size_t k = 0; k < kClasses; ++k) {
        const double target = targets[static_cast<size_t>(n) * kClasses + k];
        loss -= (1 - lesson.weight) * target * (own[k] - std::log(sum));
        slope[k] = (1 - lesson.weight) * (std::exp(own[k]) / sum - target) * scale;
        if (lesson.weight == 0) continue;
        const double by_temperature = lesson.weight * lesson.temperature;
        loss -= by_temperature * lesson.temperature * lesson.mean(n, k) * std::log(softened[k]);
        slope[k] += by_temperature * (softened[k] - lesson.mean(n, k)) * scale;
      }
      const auto called = std::max_element(own.begin(), own.end()) - own.begin();
      results.push_back(loss);
      results.push_back(called == labels[static_cast<size_t>(n)] ? 1 : 0);
      logits.insert(logits.end(), own.begin(), own.end());
      logit_gradient.insert(logit_gradient.end(), slope.begin(), slope.end());
      for (int i = 0; i < inputs; ++i) {
        double gradient = 0;
        for (int k = 0; k < kClasses; ++k) gradient += slope[static_cast<size_t>(k)] * weights[place_of(k, inputs, i)];
        row_gradient.push_back(gradient);
      }
    }
  }
};

template <typename T>
class CudaClassifier : public ::testing::Test {};
TYPED_TEST_SUITE(CudaClassifier, ValueTypes);

template <typename T>
void expect_fp64(int images, int inputs, bool has_targets, const Lesson& lesson) {
  const float smoothing = 0.1F;
  const std::vector<T> rows = as_values<T>(random_numbers(images * inputs, 1));
  Doubles row_numbers;
  for (const T& value : rows) row_numbers.push_back(number(value));
  const Doubles weights = random_numbers(kClasses * inputs, 2, 0.3);
  const Doubles bias = random_numbers(kClasses, 3);
  std::vector<int32_t> labels;
  Doubles targets;
  for (int n = 0; n < images; ++n) {
    labels.push_back(n % kClasses);
    for (int k = 0; k < kClasses; ++k)
      targets.push_back(has_targets ? (k + 1) / 28.0
                                    : (k == labels.back() ? 1.0 - smoothing : 0.0) + smoothing / kClasses);
  }
  KernelMemory memory;
  const bool through_relu = has_targets;
  auto* weight_gradient = memory.output<float>(kClasses * inputs);
  auto* bias_gradient = memory.output<float>(kClasses);
  auto* row_bias_gradient = memory.output<float>(inputs);
  auto* sums = memory.output<float>(2);
  auto* row_gradient = memory.output<T>(images * inputs);
  const Classify work{.images = images,
                      .inputs = inputs,
                      .rows = memory.input(rows),
                      .weights = memory.input(as_values<float>(weights)),
                      .bias = memory.input(as_values<float>(bias)),
                      .logits = memory.output<float>(images * kClasses),
                      .labels = memory.input(labels),
                      .targets = has_targets ? memory.input(as_values<float>(targets)) : nullptr,
                      .label_smoothing = smoothing,
                      .teachers = {.count = lesson.weight > 0 ? 2 : 0,
                                   .logits = memory.input(as_values<float>(lesson.logits)),
                                   .room = lesson.room,
                                   .weight = static_cast<float>(lesson.weight),
                                   .temperature = static_cast<float>(lesson.temperature)},
                      .gradient_scale = memory.input<float>({0.25F}),
                      .logit_gradient = memory.output<float>(images * kClasses),
                      .row_gradient = row_gradient,
                      .image_results = memory.output<float>(images * 2),
                      .through_relu = through_relu,
                      .kept_scale = 2};
  memory.run([&] {
    launch_classify<T>({}, work);
    launch_classify_gradient<T>({}, work, {weight_gradient, bias_gradient, row_bias_gradient, sums});
  });
  ClassifyReference expected(images, inputs, row_numbers, weights, bias, targets, labels, 0.25, lesson);
  Doubles of_row_bias(static_cast<size_t>(inputs));
  for (size_t i = 0; i < expected.row_gradient.size(); ++i) {
    if (through_relu) expected.row_gradient[i] *= row_numbers[i] > 0 ? 2 : 0;
    of_row_bias[i % static_cast<size_t>(inputs)] += number(row_gradient[i]);
  }
  expect_values(row_bias_gradient, of_row_bias, "rows' bias' gradient", 4);
  expect_values(work.logits, expected.logits, "logits", 10);
  expect_values(work.logit_gradient, expected.logit_gradient, "logits' gradient");
  expect_values(row_gradient, expected.row_gradient, "rows' gradient");
  expect_values(work.image_results, expected.results, "results", 4);
  Doubles of_weights(static_cast<size_t>(kClasses * inputs));
  Doubles of_bias(kClasses);
  Doubles of_results(2);
  for (int n = 0; n < images; ++n)
    for (int k = 0; k < kClasses; ++k) {
      const double slope = expected.logit_gradient[place_of(n, kClasses, k)];
      of_bias[static_cast<size_t>(k)] += slope;
      for (int i = 0; i < inputs; ++i)
        of_weights[place_of(k, inputs, i)] += slope * row_numbers[place_of(n, inputs, i)];
    }
  for (size_t i = 0; i < expected.results.size(); ++i) of_results[i % 2] += expected.results[i];
  expect_values(weight_gradient, of_weights, "weights' gradient", 4);
  expect_values(bias_gradient, of_bias, "bias' gradient", 4);
  expect_values(sums, of_results, "sums", 10);
}

TYPED_TEST(CudaClassifier, ComputesWhatFp64Does) {
  for (const int images : {0, 1, 9})
    for (const int inputs : {16, 80})
      for (const bool has_targets : {false, true}) {
        const int64_t room = images + 2;
        const Doubles said = random_numbers(2 * room * kClasses, 4, 3);
        expect_fp64<TypeParam>(images, inputs, has_targets, {});
        for (const double temperature : {1.0, 2.5})
          expect_fp64<TypeParam>(images, inputs, has_targets, {0.3, temperature, room, said});
      }
}

TEST(CudaWeights, AddUpThePartsOfManyLayersAtOnce) {
  KernelMemory memory;
  std::vector<WeightParts> all;
  std::vector<Doubles> numbers;
  for (int layer = 0; layer < 70; ++layer) {
    const int rows = 1 + layer % 5;
    const int columns = 16 * (1 + layer % 3);
    const int part_count = layer % 20;
    numbers.push_back(random_numbers(int64_t{part_count} * rows * columns, static_cast<unsigned>(layer)));
    all.push_back({memory.input(as_values<float>(numbers.back())), part_count, rows * columns, rows, columns,
                   memory.output<float>(rows * columns)});
  }
  memory.run([&] { launch_sum_weight_parts({}, all); });
  for (size_t layer = 0; layer < all.size(); ++layer) {
    const WeightParts& work = all[layer];
    const size_t size = static_cast<size_t>(work.rows) * static_cast<size_t>(work.columns);
    Doubles expected(size);
    for (size_t i = 0; i < numbers[layer].size(); ++i) {
      const size_t place = i % size;
      const size_t row = place / static_cast<size_t>(work.columns);
      expected[place % static_cast<size_t>(work.columns) * static_cast<size_t>(work.rows) + row] += numbers[layer][i];
    }
    expect_values(work.output, expected, "sum", 20);
  }
}

}  // namespace

}  // namespace fer_ddp::cuda
