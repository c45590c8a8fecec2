#include "optim/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/multiversion.h"

namespace fer_ddp {

namespace {

FER_DDP_MULTIVERSION void scale_by(float factor, size_t count, float* __restrict values) {
  for (size_t i = 0; i < count; ++i) values[i] *= factor;
}

FER_DDP_MULTIVERSION void blend(float old_share, float new_share, size_t count, const float* __restrict w,
                                float* __restrict average) {
  for (size_t i = 0; i < count; ++i) average[i] = old_share * average[i] + new_share * w[i];
}

// Sums side by side, so that they are vectors; their order is the same in every version.
constexpr size_t kLanes = 16;

FER_DDP_MULTIVERSION void add_squares(size_t lines, const float* __restrict values, double* __restrict sums) {
  for (size_t line = 0; line < lines; ++line) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(values[line * kLanes + lane]);
      sums[lane] += value * value;
    }
  }
}

}  // namespace

void Optimizer::begin_step(double learning_rate) {
  ++step_count_;
  gradient_scale_ = 1;
  prepare(learning_rate, step_count_);
}

void Optimizer::clip(double squared_norm) { gradient_scale_ = clip_factor(std::sqrt(squared_norm), *clip_norm_); }

void Optimizer::update(std::span<float> weights, std::span<float> gradient, size_t begin, size_t end) {
  const std::span<float> averaged = average();
  if (!averaged.empty() && step_count_ == 1) std::copy_n(weights.data() + begin, end - begin, averaged.data() + begin);
  if (gradient_scale_ != 1) scale_by(gradient_scale_, end - begin, gradient.data() + begin);
  apply(weights, gradient, begin, end);
  if (averaged.empty()) return;
  const double share = average_share();
  blend(static_cast<float>(1.0 - share), static_cast<float>(share), end - begin, weights.data() + begin,
        averaged.data() + begin);
}

std::span<float> Optimizer::average() {
  if (!average_decay_) return {};
  return slots_.back().values;
}

double Optimizer::average_share() const { return fer_ddp::average_share(average_decay_.value_or(0.0), step_count_); }

double average_share(double decay, int64_t step) {
  const auto before = static_cast<double>(step - 1);
  return 1.0 - std::min(decay, (1.0 + before) / (10.0 + before));
}

float clip_factor(double norm, double clip) { return static_cast<float>(clip / std::max(norm, clip)); }

double squared_sum(std::span<const float> values) {
  std::array<double, kLanes> sums{};
  const size_t lines = values.size() / kLanes;
  add_squares(lines, values.data(), sums.data());
  for (size_t i = lines * kLanes; i < values.size(); ++i)
    sums[i % kLanes] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

std::vector<std::vector<size_t>> shared_out(std::span<const UpdatePiece> pieces, int members) {
  const auto count = static_cast<size_t>(members);
  std::vector<std::vector<size_t>> shares(count);
  std::vector<double> load(count, 0.0);
  std::vector<size_t> matrices;
  double blocks = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].is_matrix) matrices.push_back(i);
    if (!pieces[i].is_matrix) blocks += pieces[i].cost;
  }
  // The costliest first, each to whoever has least to do.
  std::stable_sort(matrices.begin(), matrices.end(),
                   [&](size_t a, size_t b) { return pieces[a].cost > pieces[b].cost; });
  for (const size_t matrix : matrices) {
    const auto least = static_cast<size_t>(std::min_element(load.begin(), load.end()) - load.begin());
    shares[least].push_back(matrix);
    load[least] += pieces[matrix].cost;
  }
  // The blocks fill up to one level.
  const double level = (std::accumulate(load.begin(), load.end(), 0.0) + blocks) / static_cast<double>(members);
  double room = 0;
  for (const double taken : load) room += std::max(level - taken, 0.0);
  size_t member = 0;
  double done = 0;
  double edge = blocks / room * std::max(level - load[0], 0.0);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].is_matrix) continue;
    while (member + 1 < count && done + pieces[i].cost / 2 > edge) {
      ++member;
      edge += blocks / room * std::max(level - load[member], 0.0);
    }
    shares[member].push_back(i);
    done += pieces[i].cost;
  }
  return shares;
}

}  // namespace fer_ddp
