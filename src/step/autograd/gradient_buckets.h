// Gradients reduced while backward still runs. The flat gradient buffer is cut into buckets, in the order in which
// backward finishes them (last layer first). A bucket's sum over the ranks starts when its last gradient is there and
// all buckets before it have started, so that every rank starts them in one and the same order. Two verbs: mark_ready,
// wait.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "comm/reducer.h"
#include "model/parameter_store.h"

namespace fer_ddp {

// In elements, 1 MiB: large enough that its all-reduce is worth its start, small enough that several overlap with
// backward.
inline constexpr size_t kSmallestGradientBucket = (size_t{1} << 20) / sizeof(float);

class GradientBuckets {
 public:
  // `smallest_bucket` in elements: parameters are gathered until a bucket holds that many. `before_sums` is called
  // before buckets start, for a backward pass that keeps parts of gradients until somebody needs their sums.
  GradientBuckets(ParameterStore& store, Reducer& reducer, size_t smallest_bucket,
                  std::function<void()> before_sums = {});

  // The gradient of store.parameters()[parameter] is complete for this step.
  void mark_ready(size_t parameter);

  // Starts what has not started (a parameter that got no gradient counts as zero), waits for all, and is ready for the
  // next step.
  void wait();

  [[nodiscard]] size_t bucket_count() const { return buckets_.size(); }

 private:
  struct Bucket {
    std::span<float> values;
    size_t parameters = 0;  // how many it holds
    size_t missing = 0;     // how many of them this step still waits for
    std::unique_ptr<PendingReduction> reduction;
  };

  void start_ready_buckets();

  Reducer& reducer_;
  std::function<void()> before_sums_;
  std::vector<Bucket> buckets_;
  std::vector<size_t> bucket_of_parameter_;
  size_t started_ = 0;
};

}  // namespace fer_ddp
