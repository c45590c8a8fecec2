// Times of the kernels that a device runs, told apart by the calls that started them. The CUDA plug-in reads them from
// CUPTI's records; the tests make them up.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/choices.h"
#include "core/kernel_time.h"

namespace fer_ddp {

class KernelClock {
 public:
  // A number that belongs to no call: of a step as a whole.
  static constexpr int64_t kStep = 0;

  struct Time {
    int64_t launches = 0;
    double seconds = 0;
  };
  struct Times {
    std::map<int64_t, Time> of_calls;      // by their number, from 1
    std::map<std::string, Time> of_steps;  // by the kernel's name: what was begun within kStep and no call
  };

  KernelClock() = default;
  KernelClock(const KernelClock&) = delete;
  KernelClock& operator=(const KernelClock&) = delete;
  virtual ~KernelClock() = default;

  // What this thread starts from here to end() is of `call`; of the innermost where they nest. What is started outside
  // of all of them is not counted.
  virtual void begin(int64_t call) = 0;
  virtual void end() = 0;

  // Of all so far, which this waits for. Throws Error (the machine's fault).
  [[nodiscard]] virtual Times times() = 0;
  [[nodiscard]] virtual DevicePeaks peaks(Precision precision) const = 0;
};

}  // namespace fer_ddp
