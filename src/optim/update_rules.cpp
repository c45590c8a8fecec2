// The rules of optim/optimizer.h, and what parts of the buffers each is for.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/multiversion.h"
#include "optim/newton_schulz.h"
#include "optim/optimizer.h"

namespace fer_ddp {

double weight_decay_of(const Config& config) {
  return config.weight_decay.value_or(config.optimizer == OptimizerRule::kAdamW ? 0.004 : 0.0);
}

double muon_scale(const ParameterPlace& filters) {
  return std::sqrt(std::max(1.0, static_cast<double>(filters.rows) / static_cast<double>(filters.columns)));
}

AdamFactors adam_factors(double learning_rate, double weight_decay, int64_t step) {
  const auto t = static_cast<double>(step);
  return {.rate = static_cast<float>(learning_rate * std::sqrt(1.0 - std::pow(kAdamBeta2, t)) /
                                     (1.0 - std::pow(kAdamBeta1, t))),
          .keep = static_cast<float>(1.0 - learning_rate * weight_decay)};
}

namespace {

// Pieces of a size that the caches like, few enough to be summed up at once, many enough to be shared out.
constexpr size_t kPieces = 512;
constexpr size_t kLeastBlock = 4096;
constexpr size_t kMostBlock = 16384;
constexpr double kOperationsOfAnElement = 64;  // that a matrix product does while an element is updated

// A part of the buffers with one rule; padding goes with what stands before it.
struct Segment {
  size_t end = 0;
  bool decays = true;
  const ParameterPlace* filters = nullptr;  // a matrix by itself, where the rule knows any
};

std::vector<Segment> segments_of(const ParameterLayout& layout, bool vectors_decay, bool by_matrix) {
  std::vector<Segment> segments;
  for (const ParameterPlace& place : layout.places) {
    const bool decays = vectors_decay || place.kind != ParameterKind::kVector;
    const bool is_matrix = by_matrix && place.kind == ParameterKind::kFilters;
    if (!is_matrix && !segments.empty() && segments.back().filters == nullptr && segments.back().decays == decays) {
      segments.back().end = place.range.end;
      continue;
    }
    // What lies before it goes with nobody's matrix.
    const size_t before = segments.empty() ? 0 : segments.back().end;
    if (is_matrix && before < place.range.begin) segments.push_back({.end = place.range.begin});
    segments.push_back({.end = place.range.end, .decays = decays, .filters = is_matrix ? &place : nullptr});
  }
  if (segments.empty() || (segments.back().filters != nullptr && segments.back().end < layout.size))
    segments.push_back({.end = layout.size});
  segments.back().end = layout.size;
  return segments;
}

// part(segment, from, to) for each that [begin, end) reaches into.
template <typename Part>
void for_each_segment(const std::vector<Segment>& segments, size_t begin, size_t end, Part part) {
  auto segment = std::upper_bound(segments.begin(), segments.end(), begin,
                                  [](size_t place, const Segment& s) { return place < s.end; });
  for (; begin < end; ++segment) {
    part(*segment, begin, std::min(end, segment->end));
    begin = segment->end;
  }
}

std::vector<UpdatePiece> pieces_of(const ParameterLayout& layout, bool by_matrix) {
  const size_t block = std::clamp((layout.size / kPieces + 15) / 16 * 16, kLeastBlock, kMostBlock);
  std::vector<UpdatePiece> pieces;
  size_t begin = 0;
  for (const Segment& segment : segments_of(layout, true, by_matrix)) {
    if (segment.filters != nullptr) {
      const double operations = newton_schulz_operations(segment.filters->rows, segment.filters->columns);
      pieces.push_back({.range = {begin, segment.end},
                        .cost = static_cast<double>(segment.end - begin) + operations / kOperationsOfAnElement,
                        .is_matrix = true});
      begin = segment.end;
    }
    for (; begin < segment.end; begin = pieces.back().range.end) {
      const size_t end = std::min(begin + block, segment.end);
      pieces.push_back({.range = {begin, end}, .cost = static_cast<double>(end - begin)});
    }
  }
  return pieces;
}

// Element by element, so that every version of each gives the same numbers.

FER_DDP_MULTIVERSION void update_by_adam(AdamFactors factors, size_t count, const float* __restrict g,
                                         float* __restrict m, float* __restrict v, float* __restrict w) {
  for (size_t i = 0; i < count; ++i) {
    m[i] += (g[i] - m[i]) * kAdamNewShare1;
    v[i] += (g[i] * g[i] - v[i]) * kAdamNewShare2;
    w[i] = w[i] * factors.keep - factors.rate * m[i] / (std::sqrt(v[i]) + kAdamEpsilon);
  }
}

struct SgdFactors {
  float rate = 0;
  float momentum = 0;
  float decay = 0;
  float ahead = 0;  // by Nesterov the momentum, else 0: what the velocity is multiplied by once more
};

FER_DDP_MULTIVERSION void descend(SgdFactors by, size_t count, const float* __restrict g, float* __restrict w) {
  for (size_t i = 0; i < count; ++i) w[i] -= by.rate * (g[i] + by.decay * w[i]);
}

FER_DDP_MULTIVERSION void descend_with_momentum(SgdFactors by, size_t count, const float* __restrict g,
                                                float* __restrict u, float* __restrict w) {
  for (size_t i = 0; i < count; ++i) {
    u[i] = by.momentum * u[i] - by.rate * (g[i] + by.decay * w[i]);
    w[i] += u[i];
  }
}

FER_DDP_MULTIVERSION void descend_by_nesterov(SgdFactors by, size_t count, const float* __restrict g,
                                              float* __restrict u, float* __restrict w) {
  for (size_t i = 0; i < count; ++i) {
    const float change = by.rate * (g[i] + by.decay * w[i]);
    u[i] = by.momentum * u[i] - change;
    w[i] += by.momentum * u[i] - change;
  }
}

// PyTorch's: the rate is not in the momentum.
FER_DDP_MULTIVERSION void descend_beside_muon(SgdFactors by, size_t count, const float* __restrict g,
                                              float* __restrict m, float* __restrict w) {
  for (size_t i = 0; i < count; ++i) {
    const float decayed = g[i] + by.decay * w[i];
    m[i] = by.momentum * m[i] + decayed;
    w[i] -= by.rate * (decayed + by.momentum * m[i]);
  }
}

FER_DDP_MULTIVERSION void look_ahead(float momentum, size_t count, const float* __restrict g, float* __restrict m,
                                     float* __restrict direction) {
  for (size_t i = 0; i < count; ++i) {
    m[i] = momentum * m[i] + g[i];
    direction[i] = g[i] + momentum * m[i];
  }
}

FER_DDP_MULTIVERSION void step_along(float keep, float rate, size_t count, const float* __restrict direction,
                                     float* __restrict w) {
  for (size_t i = 0; i < count; ++i) w[i] = keep * w[i] - rate * direction[i];
}

class Adam final : public Optimizer {
 public:
  Adam(const ParameterLayout& layout, double weight_decay, bool vectors_decay)
      : Optimizer(layout), weight_decay_(weight_decay), segments_(segments_of(layout_, vectors_decay, false)) {
    slots_ = {{"m", std::vector<float>(layout.size)}, {"v", std::vector<float>(layout.size)}};
  }

 private:
  void prepare(double learning_rate, int64_t step) override {
    factors_ = adam_factors(learning_rate, weight_decay_, step);
  }

  void apply(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) override {
    for_each_segment(segments_, begin, end, [&](const Segment& segment, size_t from, size_t to) {
      AdamFactors factors = factors_;
      if (!segment.decays) factors.keep = 1;
      update_by_adam(factors, to - from, gradient.data() + from, slots_[0].values.data() + from,
                     slots_[1].values.data() + from, weights.data() + from);
    });
  }

  double weight_decay_;
  std::vector<Segment> segments_;
  AdamFactors factors_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(const ParameterLayout& layout, const Config& config)
      : Optimizer(layout),
        nesterov_(config.nesterov),
        factors_(
            {.momentum = static_cast<float>(config.momentum), .decay = static_cast<float>(weight_decay_of(config))}),
        segments_(segments_of(layout_, config.decay_biases, false)) {
    if (config.momentum > 0) slots_ = {{"momentum", std::vector<float>(layout.size)}};
    has_momentum_ = config.momentum > 0;
  }

 private:
  void prepare(double learning_rate, int64_t) override { factors_.rate = static_cast<float>(learning_rate); }

  void apply(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) override {
    for_each_segment(segments_, begin, end, [&](const Segment& segment, size_t from, size_t to) {
      SgdFactors factors = factors_;
      if (!segment.decays) factors.decay = 0;
      const float* g = gradient.data() + from;
      float* w = weights.data() + from;
      if (!has_momentum_) {
        descend(factors, to - from, g, w);
      } else {
        (nesterov_ ? descend_by_nesterov : descend_with_momentum)(factors, to - from, g, slots_[0].values.data() + from,
                                                                  w);
      }
    });
  }

  bool nesterov_;
  bool has_momentum_;
  SgdFactors factors_;
  std::vector<Segment> segments_;
};

class Muon final : public Optimizer {
 public:
  Muon(const ParameterLayout& layout, const Config& config)
      : Optimizer(layout),
        momentum_(static_cast<float>(config.momentum)),
        weight_decay_(weight_decay_of(config)),
        other_rate_(config.other_learning_rate / config.learning_rate),
        others_({.momentum = static_cast<float>(config.other_momentum),
                 .decay = static_cast<float>(config.other_weight_decay)}),
        segments_(segments_of(layout_, config.decay_biases, true)) {
    slots_ = {{"momentum", std::vector<float>(layout.size)}};
  }

 private:
  void prepare(double learning_rate, int64_t) override {
    rate_ = learning_rate;
    others_.rate = static_cast<float>(learning_rate * other_rate_);
  }

  void apply(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) override {
    for_each_segment(segments_, begin, end, [&](const Segment& segment, size_t from, size_t to) {
      const float* g = gradient.data() + from;
      float* m = slots_[0].values.data() + from;
      float* w = weights.data() + from;
      if (segment.filters != nullptr) {
        if (FlatRange{from, to}.size() != segment.filters->range.size())
          throw machine_error(fmt::format("{} was to be updated in parts", segment.filters->name));
        update_filters(*segment.filters, g, m, w);
        return;
      }
      SgdFactors factors = others_;
      if (!segment.decays) factors.decay = 0;
      descend_beside_muon(factors, to - from, g, m, w);
    });
  }

  void update_filters(const ParameterPlace& filters, const float* g, float* m, float* w) const {
    const at::NoGradGuard no_grad;
    const size_t size = filters.range.size();
    const int64_t first = filters.is_turned ? filters.columns : filters.rows;
    const at::Tensor direction = at::empty({first, filters.rows * filters.columns / first}, at::kFloat);
    look_ahead(momentum_, size, g, m, direction.data_ptr<float>());
    const at::Tensor orthogonal = newton_schulz(direction).contiguous();
    step_along(static_cast<float>(1.0 - rate_ * weight_decay_), static_cast<float>(rate_ * muon_scale(filters)), size,
               orthogonal.const_data_ptr<float>(), w);
  }

  float momentum_;
  double weight_decay_;
  double other_rate_;  // as a multiple of the filters'
  double rate_ = 0;
  SgdFactors others_;
  std::vector<Segment> segments_;
};

std::unique_ptr<Optimizer> make_rule(const Config& config, const ParameterLayout& layout) {
  switch (config.optimizer) {
    case OptimizerRule::kAdam:
      return std::make_unique<Adam>(layout, 0.0, true);
    case OptimizerRule::kAdamW:
      return std::make_unique<Adam>(layout, weight_decay_of(config), config.decay_biases);
    case OptimizerRule::kSgd:
      return std::make_unique<Sgd>(layout, config);
    case OptimizerRule::kMuon:
      return std::make_unique<Muon>(layout, config);
  }
  throw machine_error("an optimizer has no rule");
}

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const Config& config, const ParameterLayout& layout) {
  std::unique_ptr<Optimizer> optimizer = make_rule(config, layout);
  optimizer->pieces_ = pieces_of(layout, config.optimizer == OptimizerRule::kMuon);
  optimizer->clip_norm_ = config.gradient_clip_norm;
  optimizer->average_decay_ = config.average_weights;
  if (config.average_weights) optimizer->slots_.push_back({"average", std::vector<float>(layout.size)});
  return optimizer;
}

}  // namespace fer_ddp
