#include "step/autograd/gradient_buckets.h"

#include <utility>

namespace fer_ddp {

GradientBuckets::GradientBuckets(ParameterStore& store, Reducer& reducer, size_t smallest_bucket,
                                 std::function<void()> before_sums)
    : reducer_(reducer), before_sums_(std::move(before_sums)), bucket_of_parameter_(store.parameters().size()) {
  const std::span<float> gradients = store.gradients();
  size_t begin = 0;
  size_t end = 0;
  size_t parameters = 0;
  // The last parameter stands first in the buffer.
  for (size_t parameter = store.parameters().size(); parameter-- > 0;) {
    end = store.parameters()[parameter].offset + store.parameters()[parameter].size;
    bucket_of_parameter_[parameter] = buckets_.size();
    ++parameters;
    if (end - begin < smallest_bucket && parameter > 0) continue;
    buckets_.push_back({.values = gradients.subspan(begin, end - begin),
                        .parameters = parameters,
                        .missing = parameters,
                        .reduction = {}});
    begin = end;
    parameters = 0;
  }
}

void GradientBuckets::mark_ready(size_t parameter) {
  --buckets_[bucket_of_parameter_[parameter]].missing;
  start_ready_buckets();
}

void GradientBuckets::start_ready_buckets() {
  if (before_sums_ && started_ < buckets_.size() && buckets_[started_].missing == 0) before_sums_();
  for (; started_ < buckets_.size() && buckets_[started_].missing == 0; ++started_)
    buckets_[started_].reduction = reducer_.start_sum(buckets_[started_].values);
}

void GradientBuckets::wait() {
  for (Bucket& bucket : buckets_) bucket.missing = 0;
  start_ready_buckets();
  for (Bucket& bucket : buckets_) {
    bucket.reduction->wait();
    bucket.reduction.reset();
    bucket.missing = bucket.parameters;
  }
  started_ = 0;
}

}  // namespace fer_ddp
