// A KernelClock of CUPTI's activity records: the GPU's own times of each kernel, copy and fill, whatever the host did
// meanwhile. Events around a launch would count the gaps before it as well, which are longer than most kernels of a
// small network where no graph is replayed. One in a process at a time, since CUPTI has one reader.
#pragma once

#include "cuda/kernel_records.h"
#include "step/device/kernel_clock.h"

namespace fer_ddp {

class CuptiClock final : public KernelClock {
 public:
  // `device`: the current GPU. Throws Error (the machine's fault) where CUPTI keeps no records.
  explicit CuptiClock(int device);
  ~CuptiClock() override;

  void begin(int64_t call) override;
  void end() override;
  [[nodiscard]] Times times() override;
  [[nodiscard]] DevicePeaks peaks(Precision precision) const override;

 private:
  int device_;
};

}  // namespace fer_ddp
