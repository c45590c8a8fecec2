// Sums over the ranks, of values in the memory that a training step computes in: the host's for MPI, a GPU's for NCCL.
// Calls are to be made by every rank in the same order, from one thread at a time. On a GPU they take effect in the
// order of its stream, after what was begun before and before what is begun after, and return at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/error.h"

namespace fer_ddp {

enum class ReduceOperation { kSum, kMax };

// A reduction under way. The buffer it was started on must stay untouched until wait() has returned.
class PendingReduction {
 public:
  PendingReduction() = default;
  PendingReduction(const PendingReduction&) = delete;
  PendingReduction& operator=(const PendingReduction&) = delete;
  virtual ~PendingReduction() = default;
  virtual void wait() = 0;
};

class Reducer {
 public:
  Reducer() = default;
  Reducer(const Reducer&) = delete;
  Reducer& operator=(const Reducer&) = delete;
  virtual ~Reducer() = default;

  // Every rank ends with the element-wise result; it is bit-identical on all ranks.
  virtual void all_reduce(std::span<double> values, ReduceOperation operation) = 0;

  // Starts a sum; what is started first on one rank must be started first on all.
  [[nodiscard]] virtual std::unique_ptr<PendingReduction> start_sum(std::span<float> values) = 0;

  // The same of bfloat16 values, given as their bits; each sum is rounded. Throws Error (our mistake) where the reducer
  // knows none: MPI does not.
  [[nodiscard]] virtual std::unique_ptr<PendingReduction> start_bfloat16_sum(std::span<uint16_t>) {
    throw machine_error("this reducer has no sums of bfloat16 values");
  }
};

}  // namespace fer_ddp
