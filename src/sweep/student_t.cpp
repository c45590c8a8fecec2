#include "sweep/student_t.h"

#include <array>
#include <cmath>
#include <numeric>

namespace fer_ddp {

double student_t_95(int degrees) {
  constexpr std::array<double, 30> kQuantiles = {
      12.70620, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600, 2.26216, 2.22814,
      2.20099,  2.17881, 2.16037, 2.14479, 2.13145, 2.11991, 2.10982, 2.10092, 2.09302, 2.08596,
      2.07961,  2.07387, 2.06866, 2.06390, 2.05954, 2.05553, 2.05183, 2.04841, 2.04523, 2.04227};
  if (degrees <= static_cast<int>(kQuantiles.size())) return kQuantiles[static_cast<size_t>(degrees - 1)];
  // Cornish and Fisher's expansion around the normal's (Abramowitz and Stegun 26.7.5): exact to five digits from here
  // on.
  constexpr double z = 1.959964;
  const double z3 = z * z * z;
  const double z5 = z3 * z * z;
  const double z7 = z5 * z * z;
  const double n = degrees;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

std::optional<Estimate> estimate(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  const auto count = static_cast<double>(values.size());
  Estimate result{.count = static_cast<int>(values.size()),
                  .mean = std::accumulate(values.begin(), values.end(), 0.0) / count};
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares / (count - 1));
  result.half_width = student_t_95(result.count - 1) * *result.deviation / std::sqrt(count);
  return result;
}

}  // namespace fer_ddp
