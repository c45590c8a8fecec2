// The mean of a few values and how sure it is: Student's t. Pure.
#pragma once

#include <optional>
#include <span>

namespace fer_ddp {

// The value that Student's t with `degrees` of freedom stays within, to either side of 0, 95 times in a hundred.
[[nodiscard]] double student_t_95(int degrees);

struct Estimate {
  int count = 0;
  double mean = 0;
  std::optional<double> deviation{};   // of the values, by count - 1; none of fewer than two
  std::optional<double> half_width{};  // of the 95 % interval of the mean
};

// None of no value.
[[nodiscard]] std::optional<Estimate> estimate(std::span<const double> values);

}  // namespace fer_ddp
