// What the kernels of a device's training steps have to do and how long they took: the rows of the table that --profile
// prints of a GPU. What a kernel has to do follows from its arguments (step/device/kernel_work.h), how long it took is
// measured.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace fer_ddp {

// What a device can do at best; 0: not known.
struct DevicePeaks {
  double bytes_per_second = 0;              // of its memory
  double operations_per_second = 0;         // fp32 additions and multiplications
  double tensor_operations_per_second = 0;  // those of its matrix units, at the precision of the run
};

// Of one call.
struct KernelWork {
  std::string kernel{};
  std::string shape{};
  double bytes = 0;       // each operand counted once, read or written; 0: not known
  double operations = 0;  // of products of matrices and convolutions; what goes beside them is not counted
  bool on_matrix_units = false;

  // The time that one call takes at least; 0 where nothing is known. A cache may hold some of the bytes.
  [[nodiscard]] double least_seconds(const DevicePeaks& peaks) const {
    const double speed = on_matrix_units ? peaks.tensor_operations_per_second : peaks.operations_per_second;
    const double moving = peaks.bytes_per_second > 0 ? bytes / peaks.bytes_per_second : 0;
    return std::max(moving, speed > 0 ? operations / speed : 0);
  }
};

// Calls of one kind, over all steps that were profiled.
struct KernelTime {
  KernelWork work{};
  int64_t calls = 0;
  int64_t launches = 0;
  double seconds = 0;
};

}  // namespace fer_ddp
