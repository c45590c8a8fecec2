// This project's kernels, but for the passes of convolutions that are left to LibTorch's operators (cuDNN, on a GPU):
// all of them, or those of large ones in which these were measured to be quicker. Small ones are not measured: there is
// nothing to gain, and loading cuDNN takes longer than a short run. Which are whose decides the last bits of a run, so
// that its checkpoints and its result hold the choice. A convolution that reads the image is always this project's.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/choices.h"
#include "network/stage_plan.h"
#include "step/device/device_runtime.h"
#include "step/device/forwarded_kernels.h"
#include "step/device/library_convolutions.h"

namespace fer_ddp {

// In operations of one pass, two a product: about 20 us of a GPU's matrix units.
inline constexpr double kFewestMeasuredOperations = 8e9;

// The convolutions of a network, but for those that read the image, with `images` in the batch, of at least as many
// operations.
[[nodiscard]] std::vector<DeviceConvolution> large_convolutions(const StagePlan& plan, int images,
                                                                double fewest_operations = kFewestMeasuredOperations);

class ChosenKernels final : public ForwardedKernels {
 public:
  // device: its name and the precision, in which alone choices hold.
  ChosenKernels(std::unique_ptr<DeviceKernels> kernels, at::Device device, std::string device_name);

  void leave_all_to_library() { has_library_all_ = true; }

  // Seconds of each pass of these convolutions, ours and then the library's, infinite where it cannot run one; on
  // memory that is free again afterwards.
  [[nodiscard]] std::vector<double> measure(std::span<const DeviceConvolution> shapes, DeviceRuntime& runtime) const;
  // By the sums of what all ranks measured. The library has what it is clearly quicker in, so that two starts are
  // likely to choose alike.
  void choose(std::span<const DeviceConvolution> shapes, std::span<const double> seconds);

  // A line for the device, then one for each pass that is the library's; empty where nothing was to be chosen.
  [[nodiscard]] std::string choices() const override;
  // Takes them over; those of another device, or of none, change nothing.
  void use_choices(const std::string& choices) override;
  [[nodiscard]] std::string description() const override;

  void convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) override;
  void convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient, const void* weights,
                                  void* input_gradient, bool add) override;
  [[nodiscard]] WeightGradientParts weight_gradient_parts(const DeviceConvolution& shape) const override;
  void convolution_weight_gradient(const DeviceConvolution& shape, const void* input, const void* output_gradient,
                                   float* parts) override;

 private:
  enum class Pass : uint8_t { kForward, kInputGradient, kWeightGradient };
  static std::string name_of(Pass pass, const DeviceConvolution& shape);
  [[nodiscard]] bool is_library_pass(Pass pass, const DeviceConvolution& shape) const;

  LibraryConvolutions library_;
  std::string device_name_;
  bool has_library_all_ = false;
  std::set<std::string> library_passes_;  // by name
};

}  // namespace fer_ddp
