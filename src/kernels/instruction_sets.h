// Which of a kernel's versions are called (see kernels/vectors_inl.h): by default the best that the processor has.
#pragma once

#include <string>
#include <vector>

namespace fer_ddp {

// Those that were built and that this processor has, best first: "AVX3" is AVX-512, "SCALAR" runs on any.
[[nodiscard]] std::vector<std::string> instruction_sets();

// For tests, which go through all of them: from now on one of instruction_sets() is used, in the whole process; an
// empty name goes back to the best. Not to be called while kernels run.
void use_instruction_set(const std::string& name);

}  // namespace fer_ddp
