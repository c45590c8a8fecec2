#include "kernels/peak.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/peak.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

int64_t multiply_and_add(int64_t operations) {
  constexpr int kChains = 12;  // more than latency times units, and fewer than registers
  constexpr int64_t kRound = int64_t{2} * kChains * kLanes;
  Floats sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = broadcast(static_cast<float>(i));
  const Floats factor = broadcast(0.999F);
  const Floats term = broadcast(0.001F);
  const int64_t rounds = operations / kRound + 1;
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (Floats& sum : sums) sum = hn::MulAdd(sum, factor, term);
  }
  Floats total = zeros();
  for (const Floats& sum : sums) total = hn::Add(total, sum);
  // Looked at, so that the compiler cannot leave the work out; it is never negative.
  return hn::GetLane(total) < 0.0F ? 0 : rounds * kRound;
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(multiply_and_add);

int64_t run_at_peak(int64_t operations) { return HWY_DYNAMIC_DISPATCH(multiply_and_add)(operations); }

}  // namespace fer_ddp
#endif
