// Which kernels ran for which call and how long, joined from two kinds of records that come in any order: what a kernel
// did, and which call an API call was made for; both name the API call. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "step/device/kernel_clock.h"

namespace fer_ddp {

class KernelRecords {
 public:
  static constexpr int64_t kOutside = -1;  // of no step: not counted

  void add_kernel(uint32_t api_call, const char* name, double seconds);
  void add_call(uint32_t api_call, int64_t call);

  // Of all records so far. Kernels of which no call was said are other threads', such as autograd's: they count for the
  // steps as a whole.
  [[nodiscard]] KernelClock::Times times() const;

 private:
  KernelClock::Times times_;
  // By the kernel's name, until it is known what for. A graph's launch is one API call with many kernels.
  std::unordered_map<uint32_t, std::map<std::string, KernelClock::Time>> ran_;
  std::unordered_map<uint32_t, int64_t> calls_;
};

}  // namespace fer_ddp
