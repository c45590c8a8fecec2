// The one rule by which work is shared: `size` things among `parts`, in order, contiguous, sizes differing by one at
// most. That a run has the same bits at any number of ranks rests on the sampler's shares and the step's leaves being
// cut by this same rule, so that every share begins and ends at a leaf. Pure.
#pragma once

namespace fer_ddp {

// Where part `part` of `parts` begins, counted from the first of `size` things; part `parts` begins at their end.
// `size` * `parts` must fit into the type.
template <typename Integer>
[[nodiscard]] constexpr Integer share_begin(Integer size, Integer part, Integer parts) {
  return size * part / parts;
}

}  // namespace fer_ddp
