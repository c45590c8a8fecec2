// Tells the buckets when autograd has finished a parameter's gradient, for as long as this lives.
#pragma once

#include "model/parameter_store.h"
#include "step/autograd/gradient_buckets.h"

namespace fer_ddp {

class GradientHooks {
 public:
  // Both outlive this.
  GradientHooks(const ParameterStore& store, GradientBuckets& buckets);
  GradientHooks(const GradientHooks&) = delete;
  GradientHooks& operator=(const GradientHooks&) = delete;
  ~GradientHooks();

 private:
  const ParameterStore& store_;
};

}  // namespace fer_ddp
