// Gradients that go over between the ranks as bfloat16 (key gradient_all_reduce): each rank's are rounded, the reducer
// beneath sums them and rounds each sum, and they are widened again where they were. All ranks end with the same bits,
// as without; half the bytes go over, for two short passes over the gradients on the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "comm/reducer.h"
#include "core/config.h"

namespace fer_ddp {

// Null where `config` has gradients summed as they are. `gradients`, of the device: the flat tensor that all sums are
// started on parts of. `reducer` outlives it. All but such sums pass through.
[[nodiscard]] std::unique_ptr<Reducer> make_rounding_reducer(Reducer& reducer, const at::Tensor& gradients,
                                                             const Config& config);

}  // namespace fer_ddp
