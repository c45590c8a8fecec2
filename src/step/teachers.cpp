#include "step/teachers.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "core/checksum.h"
#include "core/expressions.h"
#include "model/weights.h"
#include "network/table.h"
#include "step/fused/stages/staged_network.h"
#include "step/input_images.h"

namespace fer_ddp {

namespace {

constexpr int64_t kMostAtOnce = 64;  // images that a teacher's activations are kept of

// record(index, logits), of each image of the share in order.
using RecordLogits = std::function<void(int64_t index, const float* logits)>;

class Teacher {
 public:
  Teacher() = default;
  Teacher(const Teacher&) = delete;
  Teacher& operator=(const Teacher&) = delete;
  virtual ~Teacher() = default;

  virtual void classify(const BatchShare& share, const RecordLogits& record) = 0;
};

class StagedTeacher final : public Teacher {
 public:
  StagedTeacher(Model& model, int64_t most_images, Precision precision)
      : scale_(model.network().input),
        plan_(plan_stages(model.network())),
        layout_(plan_, model.store()),
        weights_(weights_of(model)),
        network_({.most_images = most_images, .trains = false, .precision = precision}, plan_, layout_, model, weights_,
                 {}, {}) {}

  void classify(const BatchShare& share, const RecordLogits& record) override {
    const ShareImages images(share, scale_, 0);
    network_.evaluate(
        0, images.count(), [&](int64_t i, float* pixels) { images.write(i, pixels); }, record);
  }

 private:
  [[nodiscard]] std::vector<float> weights_of(Model& model) const {
    std::vector<float> weights(layout_.size());
    layout_.to_fused(model.store().weights(), weights);
    return weights;
  }

  PixelScale scale_;
  StagePlan plan_;
  StagedLayout layout_;
  std::vector<float> weights_;
  StagedNetwork network_;
};

class OperatorTeacher final : public Teacher {
 public:
  OperatorTeacher(const Model& model, int64_t most_images) : model_(model), most_images_(most_images) {}

  void classify(const BatchShare& share, const RecordLogits& record) override {
    const at::NoGradGuard no_grad;
    const ShareImages images(share, model_.network().input, 0);
    for (int64_t first = 0; first < images.count(); first += most_images_) {
      const int64_t count = std::min(most_images_, images.count() - first);
      const at::Tensor pixels = input_images(count, [&](int64_t i, float* image) { images.write(first + i, image); });
      const at::Tensor logits = model_.forward(pixels, {}).contiguous();
      for (int64_t i = 0; i < count; ++i) record(first + i, logits.const_data_ptr<float>() + i * kExpressionCount);
    }
  }

 private:
  const Model& model_;
  int64_t most_images_;
};

std::unique_ptr<Teacher> make_teacher(Model& model, const Config& config) {
  const int64_t most_images = std::min<int64_t>(config.batch_size, kMostAtOnce);
  if (config.step != StepChoice::kAutograd && plan_stages(model.network()).refusal.empty())
    return std::make_unique<StagedTeacher>(model, most_images, config.precision);
  return std::make_unique<OperatorTeacher>(model, most_images);
}

// sums += softmax(logits / temperature).
void add_softmax(const float* logits, double temperature, double* sums) {
  const auto largest = static_cast<double>(*std::max_element(logits, logits + kExpressionCount));
  std::array<double, kExpressionCount> shares{};
  double sum = 0;
  for (size_t k = 0; k < shares.size(); ++k)
    sum += shares[k] = std::exp((static_cast<double>(logits[k]) - largest) / temperature);
  for (size_t k = 0; k < shares.size(); ++k) sums[k] += shares[k] / sum;
}

class DistillingStep final : public TrainingStep {
 public:
  DistillingStep(std::unique_ptr<TrainingStep> step, Teachers& teachers, const Config& config)
      : step_(std::move(step)), weight_(config.distill_weight), temperature_(config.distill_temperature) {
    for (const auto& model : teachers.models()) teachers_.push_back(make_teacher(*model, config));
  }

  void begin_epoch(int epoch, std::span<const int32_t> order) override { step_->begin_epoch(epoch, order); }

  BatchSums run(const BatchShare& share, double learning_rate) override {
    clock_.start();
    ask_teachers(share);
    clock_.lap(0);
    BatchShare taught = share;
    taught.teachers = {.probabilities = probabilities_, .weight = weight_, .temperature = temperature_};
    return step_->run(taught, learning_rate);
  }

  BatchSums synchronize() override { return step_->synchronize(); }
  void reload() override { step_->reload(); }

  [[nodiscard]] std::vector<PassTime> pass_times() const override {
    std::vector<PassTime> times = step_->pass_times();
    if (!times.empty()) times.push_back({"teachers", clock_.seconds(0), 0});
    return times;
  }

  [[nodiscard]] EvaluationSums evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                             std::span<ImagePrediction> predictions) override {
    return step_->evaluate_each(dataset, split, rows, predictions);
  }

  [[nodiscard]] std::vector<float> probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                                 const ImageView& view) override {
    return step_->probabilities(dataset, split, rows, view);
  }

 private:
  void ask_teachers(const BatchShare& share) {
    sums_.assign(share.rows.size() * kExpressionCount, 0.0);
    for (const auto& teacher : teachers_)
      teacher->classify(share, [&](int64_t index, const float* logits) {
        add_softmax(logits, temperature_, sums_.data() + index * kExpressionCount);
      });
    probabilities_.resize(sums_.size());
    const auto count = static_cast<double>(teachers_.size());
    std::transform(sums_.begin(), sums_.end(), probabilities_.begin(),
                   [count](double sum) { return static_cast<float>(sum / count); });
  }

  std::unique_ptr<TrainingStep> step_;
  double weight_, temperature_;
  std::vector<std::unique_ptr<Teacher>> teachers_;
  std::vector<double> sums_;          // over the teachers, [rows][kExpressionCount]
  std::vector<float> probabilities_;  // the same, their mean
  PassClock clock_{1};
};

}  // namespace

Teachers::Teachers(std::vector<std::unique_ptr<Model>> models) : models_(std::move(models)) {
  RunningChecksum sum;
  for (const auto& model : models_) {
    const std::string table = network_hash(model->network());
    sum.add(std::as_bytes(std::span(table)));
    write_safetensors(weight_sources(*model), {}, [&](std::span<const std::byte> bytes) { sum.add(bytes); });
  }
  hash_ = sum.digits();
}

std::unique_ptr<TrainingStep> make_distilling_step(std::unique_ptr<TrainingStep> step, Teachers& teachers,
                                                   const Config& config) {
  return std::make_unique<DistillingStep>(std::move(step), teachers, config);
}

}  // namespace fer_ddp
