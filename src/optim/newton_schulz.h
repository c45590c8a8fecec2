// Muon's orthogonalisation (Jordan and others 2024): the matrix U V^T of G = U S V^T, roughly, by three steps of a
// Newton-Schulz iteration, whose polynomial takes all singular values near 1 without ever computing one:
//
//   X = G / (|G| + 1e-7), |G| the root of the sum of squares; three times
//   A = X X^T;  X = 3.4445 X + (-4.7750 A + 2.0315 A A) X
//
// of G^T where G has more rows than columns. In fp32; on a GPU the products are TF32 unless `precision` is fp32.
#pragma once

#include <ATen/core/Tensor.h>

namespace fer_ddp {

inline constexpr int kNewtonSchulzSteps = 3;

// matrices: fp32 [rows, columns] or [n, rows, columns], on any device; the result has their shape.
[[nodiscard]] at::Tensor newton_schulz(const at::Tensor& matrices);

// Multiplications and additions of one matrix.
[[nodiscard]] double newton_schulz_operations(int64_t rows, int64_t columns);

}  // namespace fer_ddp
