#include "optim/newton_schulz.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>

#include <algorithm>

namespace fer_ddp {

namespace {

constexpr double kFirst = 3.4445;
constexpr double kThird = -4.7750;
constexpr double kFifth = 2.0315;
constexpr double kLeastNorm = 1e-7;

}  // namespace

at::Tensor newton_schulz(const at::Tensor& matrices) {
  const at::Tensor norm = at::linalg_vector_norm(matrices, 2, at::IntArrayRef{-2, -1}, true);
  at::Tensor x = matrices / (norm + kLeastNorm);
  const bool is_tall = x.size(-2) > x.size(-1);
  if (is_tall) x = x.transpose(-2, -1);
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    const at::Tensor a = at::matmul(x, x.transpose(-2, -1));
    const at::Tensor polynomial = at::matmul(a, a).mul_(kFifth).add_(a, kThird);
    x = at::matmul(polynomial, x).add_(x, kFirst);
  }
  return is_tall ? x.transpose(-2, -1) : x;
}

double newton_schulz_operations(int64_t rows, int64_t columns) {
  const auto small = static_cast<double>(std::min(rows, columns));
  const auto large = static_cast<double>(std::max(rows, columns));
  return kNewtonSchulzSteps * (4.0 * small * small * large + 2.0 * small * small * small);
}

}  // namespace fer_ddp
