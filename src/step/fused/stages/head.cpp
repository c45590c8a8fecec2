#include "step/fused/stages/head.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/mapped_values.h"
#include "step/fused/stages/staged_layout.h"

namespace fer_ddp {

namespace {

// log(sum of exp(logits)), in fp64.
template <typename Number>
double log_sum(const Number* logits) {
  const double largest = *std::max_element(logits, logits + kExpressionCount);
  double sum = 0;
  for (int k = 0; k < kExpressionCount; ++k) sum += std::exp(static_cast<double>(logits[k]) - largest);
  return largest + std::log(sum);
}

// The part of the loss at the teachers' temperature T: w T^2 H(q, softmax(z / T)), whose gradient, w T
// (softmax(z / T) - q), is added to.
double softened_part(const float* logits, const TeacherTargets& teachers, const float* probabilities,
                     std::array<double, kExpressionCount>& gradient) {
  std::array<double, kExpressionCount> softened{};
  for (size_t k = 0; k < softened.size(); ++k) softened[k] = static_cast<double>(logits[k]) / teachers.temperature;
  const double normalizer = log_sum(softened.data());
  double loss = 0;
  for (size_t k = 0; k < softened.size(); ++k) {
    const double log_share = softened[k] - normalizer;
    const auto target = static_cast<double>(probabilities[k]);
    loss -= target * log_share;
    gradient[k] += teachers.weight * teachers.temperature * (std::exp(log_share) - target);
  }
  return teachers.weight * teachers.temperature * teachers.temperature * loss;
}

double rounded_loss(double loss) { return std::nearbyint(loss * 0x1p24) * 0x1p-24; }

PooledShape shape_of(const Activation& input) {
  return {static_cast<int>(input.shape.height), static_cast<int>(input.shape.width), input.channels()};
}

}  // namespace

double smoothed_cross_entropy(const float* logits, int label, double smoothing) {
  const double normalizer = log_sum(logits);
  double loss = 0;
  for (int k = 0; k < kExpressionCount; ++k) {
    const double target = (k == label ? 1.0 - smoothing : 0.0) + smoothing / kExpressionCount;
    loss -= target * (static_cast<double>(logits[k]) - normalizer);
  }
  return rounded_loss(loss);
}

void write_probabilities(const float* logits, float* probabilities) {
  const double normalizer = log_sum(logits);
  for (int k = 0; k < kExpressionCount; ++k)
    probabilities[k] = static_cast<float>(std::exp(static_cast<double>(logits[k]) - normalizer));
}

Head::Head(const std::vector<const Layer*>& layers, Activation& input, int index, const std::vector<StageRanges>& dense,
           FlatRange range, const StageSurroundings& surroundings)
    : input_(input),
      averages_(std::holds_alternative<layer::GlobalAveragePool>(layers.front()->kind)),
      owes_sums_(input.first_reader == index && input.sums != nullptr),
      range_(range),
      around_(surroundings) {
  add_rows(layers.front()->output.size());
  size_t next_dense = 0;
  for (size_t i = 1; i < layers.size(); ++i) add_operation(*layers[i], dense, next_dense);
}

void Head::add_rows(int64_t size) {
  const auto count = static_cast<size_t>(around_.most_images * size);
  rows_.push_back({static_cast<int>(size), AlignedBuffer<float>(count), AlignedBuffer<float>(count)});
}

void Head::add_operation(const Layer& layer, const std::vector<StageRanges>& dense, size_t& next_dense) {
  Operation operation{.kind = Operation::Kind::kRelu, .rows = rows_.size() - 1};
  operation.size.inputs = static_cast<int>(layer.input.size());
  if (const auto* options = std::get_if<layer::Dense>(&layer.kind)) {
    operation.kind = Operation::Kind::kDense;
    operation.size.outputs = static_cast<int>(options->units);
    operation.ranges = dense[next_dense++];
    add_rows(options->units);
  } else if (const auto* dropout = std::get_if<layer::Dropout>(&layer.kind)) {
    if (dropout->share == 0) return;
    operation.kind = Operation::Kind::kDropout;
    operation.kept_scale = static_cast<float>(1.0 / (1.0 - dropout->share));
    operation.kept_offset = dropped_units_;
    dropped_units_ += layer.output.size();
  }
  operations_.push_back(operation);
}

// Flattening takes an image of a thread's own.
int64_t Head::scratch_size() const { return input_.size(); }

// Rows go by channel, height, width.
void Head::read_features(const LeafRun& run) {
  if (averages_) {
    global_average_pool(shape_of(input_), input_.seen(run.begin()), run.count(), rows_[0].of(run.begin()));
    return;
  }
  const int channels = input_.channels();
  const int64_t positions = input_.positions();
  for (int image = run.begin(); image < run.leaves.back(); ++image) {
    apply_map(input_.seen(image), positions, channels, run.scratch);
    float* row = rows_[0].of(image);
    for (int64_t p = 0; p < positions; ++p)
      for (int c = 0; c < channels; ++c) row[c * positions + p] = run.scratch[p * channels + c];
  }
}

void Head::write_input_gradient(const LeafRun& run) {
  const int channels = input_.channels();
  const int64_t positions = input_.positions();
  for (size_t i = 0; i + 1 < run.leaves.size(); ++i) {
    const int first = run.leaves[i];
    const int images = run.leaves[i + 1] - first;
    double* sums = owes_sums_ ? input_.sums_of(run.first_leaf + static_cast<int>(i)) : nullptr;
    if (averages_) {
      global_average_pool_gradient(shape_of(input_), input_.seen(first), rows_[0].gradient_of(first), images,
                                   input_.mean, input_.gradient_of(first), sums);
      continue;
    }
    for (int image = first; image < first + images; ++image) {
      const float* row = rows_[0].gradient_of(image);
      float* to = input_.gradient_of(image);
      for (int64_t p = 0; p < positions; ++p)
        for (int c = 0; c < channels; ++c) to[p * channels + c] = row[c * positions + p];
    }
    if (sums != nullptr)
      add_live_sums(input_.seen(first), input_.gradient_of(first), input_.mean, images * positions, channels, sums);
  }
}

void Head::drop(const Operation& operation, std::span<const uint8_t> kept, int64_t image, float* values) const {
  const uint8_t* unit = kept.data() + image * dropped_units_ + operation.kept_offset;
  for (int i = 0; i < operation.size.inputs; ++i) values[i] = unit[i] != 0 ? values[i] * operation.kept_scale : 0.0F;
}

void Head::forward(const LeafRun& run, std::span<const uint8_t> kept) {
  read_features(run);
  for (const Operation& operation : operations_) {
    Rows& rows = rows_[operation.rows];
    if (operation.kind == Operation::Kind::kDense) {
      const float* bias = operation.ranges.bias.size() > 0 ? operation.ranges.bias.of(around_.weights).data() : nullptr;
      dense_product(operation.size, operation.ranges.weights.of(around_.weights).data(), bias, rows.of(run.begin()),
                    run.count(), rows_[operation.rows + 1].of(run.begin()));
    } else if (operation.kind == Operation::Kind::kRelu) {
      float* values = rows.of(run.begin());
      // NaN stays: a diverged run must show it.
      for (int64_t i = 0; i < int64_t{run.count()} * rows.size; ++i) values[i] = values[i] < 0 ? 0.0F : values[i];
    } else if (run.training) {
      for (int image = run.begin(); image < run.leaves.back(); ++image) drop(operation, kept, image, rows.of(image));
    }
  }
}

// Each operation turns the gradient of what it left into that of what it read.
void Head::backward(const LeafRun& run, std::span<const uint8_t> kept) {
  for (size_t number = operations_.size(); number-- > 0;) {
    const Operation& operation = operations_[number];
    Rows& rows = rows_[operation.rows];
    if (operation.kind == Operation::Kind::kDense) {
      Rows& left = rows_[operation.rows + 1];
      for (size_t i = 0; i + 1 < run.leaves.size(); ++i) {
        const int first = run.leaves[i];
        float* parts = around_.parts +
                       (run.first_leaf + static_cast<int64_t>(i)) * static_cast<int64_t>(range_.size()) -
                       static_cast<int64_t>(range_.begin);
        float* bias = operation.ranges.bias.size() > 0 ? parts + operation.ranges.bias.begin : nullptr;
        dense_weight_gradient(operation.size, rows.of(first), left.gradient_of(first), run.leaves[i + 1] - first,
                              parts + operation.ranges.weights.begin, bias);
        // Up to where the next parameter begins: other stages have written there, and a norm counts it.
        if (bias != nullptr)
          std::fill(parts + operation.ranges.bias.end, parts + padded(operation.ranges.bias.end), 0.0F);
      }
      dense_input_gradient(operation.size, operation.ranges.weights.of(around_.weights).data(),
                           left.gradient_of(run.begin()), run.count(), rows.gradient_of(run.begin()));
    } else if (operation.kind == Operation::Kind::kRelu) {
      const float* values = rows.of(run.begin());
      float* gradient = rows.gradient_of(run.begin());
      for (int64_t i = 0; i < int64_t{run.count()} * rows.size; ++i) gradient[i] = values[i] > 0 ? gradient[i] : 0.0F;
    } else {
      for (int image = run.begin(); image < run.leaves.back(); ++image)
        drop(operation, kept, image, rows.gradient_of(image));
    }
  }
}

HeadResult Head::classify(const LeafRun& run, const ShareImages& share, float gradient_scale) {
  HeadResult result;
  std::array<float, kExpressionCount> target{};
  std::array<double, kExpressionCount> slope{};
  const double target_sum = share.target_sum();
  for (int image = run.begin(); image < run.leaves.back(); ++image) {
    const float* logits = rows_.back().of(image);
    float* gradient = rows_.back().gradient_of(image);
    share.write_target(image, target.data());
    const double normalizer = log_sum(logits);
    double loss = 0;
    for (size_t k = 0; k < target.size(); ++k) {
      const double log_share = static_cast<double>(logits[k]) - normalizer;
      loss -= static_cast<double>(target[k]) * log_share;
      slope[k] = target_sum * std::exp(log_share) - static_cast<double>(target[k]);
    }
    if (share.has_softened_part()) loss += softened_part(logits, share.teachers(), share.teachers_of(image), slope);
    for (size_t k = 0; k < slope.size(); ++k) gradient[k] = static_cast<float>(slope[k]) * gradient_scale;
    result.loss += rounded_loss(loss);
    const auto called = std::max_element(logits, logits + kExpressionCount) - logits;
    result.correct += called == share.label(image) ? 1 : 0;
  }
  return result;
}

HeadResult Head::step(const LeafRun& run, const ShareImages& share, std::span<const uint8_t> kept,
                      float gradient_scale) {
  forward(run, kept);
  const HeadResult result = classify(run, share, gradient_scale);
  backward(run, kept);
  write_input_gradient(run);
  return result;
}

void Head::evaluate(const LeafRun& run, const std::function<void(int image, const float* logits)>& record) {
  forward(run, {});
  for (int image = run.begin(); image < run.leaves.back(); ++image) record(image, rows_.back().of(image));
}

}  // namespace fer_ddp
