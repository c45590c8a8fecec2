// What the processor's vector units can do at most: chains of fused multiply-adds on registers alone, by the best
// instruction set that it has (kernels/vectors_inl.h).
#pragma once

#include <cstdint>

namespace fer_ddp {

// Carries out about `operations` fp32 additions and multiplications on the calling thread; returns how many.
int64_t run_at_peak(int64_t operations);

}  // namespace fer_ddp
