#include "kernels/classifier.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/classifier.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

inline constexpr int kMostClasses = 16;
// Below fp32's rounding; fp64 adds up multiples of it exactly, to 5e8.
inline constexpr double kLossStep = 1.0 / (1 << 24);

// hidden = relu(hidden + bias) * kept * scale.
void activate(const Classifier& classifier, float* hidden, const uint8_t* kept, float kept_scale) {
  for (int unit = 0; unit < classifier.units; unit += kLanes) {
    const Floats value = hn::Add(load(hidden + unit), load(classifier.hidden_bias + unit));
    Floats active = hn::IfThenElse(hn::Le(value, zeros()), zeros(), value);  // NaN goes through
    if (kept != nullptr)
      active = hn::Mul(active, hn::Mul(hn::ConvertTo(FloatTag(), load_winners(kept + unit)), broadcast(kept_scale)));
    store(active, hidden + unit);
  }
}

void compute_logits(const Classifier& classifier, const float* hidden, float* logits) {
  for (int k = 0; k < classifier.classes; ++k) {
    Floats sum = zeros();
    for (int unit = 0; unit < classifier.units; unit += kLanes)
      sum = hn::MulAdd(load(hidden + unit), load(classifier.weights + int64_t{k} * classifier.units + unit), sum);
    logits[k] = hn::GetLane(hn::SumOfLanes(FloatTag(), sum)) + classifier.bias[k];
  }
}

// Turns logits into softmax minus target.
ImageResult loss_and_gradient(const Classifier& classifier, int label, const float* targets, float* logits,
                              float* probabilities = nullptr) {
  const int classes = classifier.classes;
  const int called = static_cast<int>(std::max_element(logits, logits + classes) - logits);
  const double largest = logits[called];
  double shares[kMostClasses];
  double sum = 0;
  for (int k = 0; k < classes; ++k) sum += shares[k] = std::exp(logits[k] - largest);
  const double log_sum = std::log(sum);
  const double spread = classifier.label_smoothing / classes;
  ImageResult result{.loss = 0, .called = called};
  for (int k = 0; k < classes; ++k) {
    const double target = targets != nullptr ? static_cast<double>(targets[k])
                                             : spread + (k == label ? 1.0 - classifier.label_smoothing : 0.0);
    result.loss -= target * (logits[k] - largest - log_sum);
    logits[k] = static_cast<float>(shares[k] / sum - target);
    if (probabilities != nullptr) probabilities[k] = static_cast<float>(shares[k] / sum);
  }
  result.loss = std::nearbyint(result.loss / kLossStep) * kLossStep;
  return result;
}

ImageResult evaluate(const Classifier& classifier, float* hidden, int label, float* probabilities) {
  float logits[kMostClasses];
  activate(classifier, hidden, nullptr, 1.0F);
  compute_logits(classifier, hidden, logits);
  return loss_and_gradient(classifier, label, nullptr, logits, probabilities);
}

ImageResult backpropagate(const Classifier& classifier, float* hidden, int label, const uint8_t* kept, float kept_scale,
                          float gradient_scale, const ClassifierGradient& gradient, const float* targets) {
  float logits[kMostClasses];
  activate(classifier, hidden, kept, kept_scale);
  compute_logits(classifier, hidden, logits);
  const ImageResult result = loss_and_gradient(classifier, label, targets, logits);
  for (int k = 0; k < classifier.classes; ++k) {
    logits[k] *= gradient_scale;
    gradient.bias[k] += logits[k];
  }
  const Floats factor = broadcast(kept == nullptr ? 1.0F : kept_scale);
  for (int unit = 0; unit < classifier.units; unit += kLanes) {
    const Floats active = load(hidden + unit);
    Floats sum = zeros();
    for (int k = 0; k < classifier.classes; ++k) {
      const int64_t at = int64_t{k} * classifier.units + unit;
      const Floats share = broadcast(logits[k]);
      store(hn::MulAdd(share, active, load(gradient.weights + at)), gradient.weights + at);
      sum = hn::MulAdd(share, load(classifier.weights + at), sum);
    }
    // What ReLU or dropout stopped has no gradient; NaN goes through.
    const Floats unit_gradient = hn::IfThenZeroElse(hn::Le(active, zeros()), hn::Mul(sum, factor));
    store(unit_gradient, hidden + unit);
    store(hn::Add(load(gradient.hidden_bias + unit), unit_gradient), gradient.hidden_bias + unit);
  }
  return result;
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(evaluate);
HWY_EXPORT(backpropagate);

ImageResult classify(const Classifier& classifier, float* hidden, int label, float* probabilities) {
  return HWY_DYNAMIC_DISPATCH(evaluate)(classifier, hidden, label, probabilities);
}

ImageResult classify_and_backpropagate(const Classifier& classifier, float* hidden, int label, const uint8_t* kept,
                                       float kept_scale, float gradient_scale, const ClassifierGradient& gradient,
                                       const float* targets) {
  return HWY_DYNAMIC_DISPATCH(backpropagate)(classifier, hidden, label, kept, kept_scale, gradient_scale, gradient,
                                             targets);
}

}  // namespace fer_ddp
#endif
