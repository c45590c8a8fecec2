// What each call of DeviceKernels has to do at least, by its arguments alone: bytes with each operand counted once, but
// for vectors by channel and numbers by image, which are few; and the operations of products.
#pragma once

#include <span>

#include "core/kernel_time.h"
#include "step/device/device_kernels.h"

namespace fer_ddp {

struct ValueKind {
  int bytes = 4;                 // DeviceKernels::value_bytes()
  bool on_matrix_units = false;  // whether the precision has its products done there
};

// Of a batch that is mixed, partners are among the images.
[[nodiscard]] KernelWork work_of(const ChangedImages& call);
[[nodiscard]] KernelWork work_of(const ImageConvolution& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const PooledImageConvolution& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const ImageConvolutionGradient& call, int part_count, ValueKind kind);
[[nodiscard]] KernelWork work_of(const PooledImageConvolutionGradient& call, int part_count, ValueKind kind);
[[nodiscard]] KernelWork work_of_convolution(const DeviceConvolution& shape, ValueKind kind);
[[nodiscard]] KernelWork work_of_input_gradient(const DeviceConvolution& shape, bool add, ValueKind kind);
[[nodiscard]] KernelWork work_of_weight_gradient(const DeviceConvolution& shape, int part_count, ValueKind kind);
[[nodiscard]] KernelWork work_of_dense(const DeviceConvolution& shape, int part_count, ValueKind kind);
[[nodiscard]] KernelWork work_of(std::span<const WeightParts> all);
[[nodiscard]] KernelWork work_of(const ChannelSums& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const Normalize& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const GradientSums& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const GradientOfValues& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const ResidualSum& call, ValueKind kind);
[[nodiscard]] KernelWork work_of_residual_gradient(const DeviceExtent& extent, ValueKind kind);
[[nodiscard]] KernelWork work_of_passing(int64_t size, bool add, ValueKind kind);
[[nodiscard]] KernelWork work_of(const Pooling& call, ValueKind kind);
[[nodiscard]] KernelWork work_of_pool_gradient(const Pooling& call, bool add, ValueKind kind);
[[nodiscard]] KernelWork work_of(const Features& call, ValueKind kind);
[[nodiscard]] KernelWork work_of_features_gradient(const Features& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const ActivateRows& call, ValueKind kind);
[[nodiscard]] KernelWork work_of_activation_gradient(const ActivateRows& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const Classify& call, ValueKind kind);
[[nodiscard]] KernelWork work_of_classify_gradient(const Classify& call, const ClassifySums& sums, ValueKind kind);
[[nodiscard]] KernelWork work_of(const GradientClip& call);
[[nodiscard]] KernelWork work_of(const AdamStep& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const SgdStep& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const MuonDirections& call, ValueKind kind);
[[nodiscard]] KernelWork work_of(const MuonFilters& call, ValueKind kind);

}  // namespace fer_ddp
