// This project's kernels, but for the passes of large convolutions in which LibTorch's operators (cuDNN, on a GPU) were
// measured to be quicker on this device. Small ones are not measured: there is nothing to gain, and loading cuDNN takes
// longer than a short run. Which are whose decides the last bits of a run, so that its checkpoints hold the choice.
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
  // device: its name and the precision, in which alone a choice holds.
  ChosenKernels(std::unique_ptr<DeviceKernels> kernels, at::Device device, std::string device_name);

  // Runs each pass of these convolutions both ways, on memory of its own that is free again behind it. Throws Error
  // (the machine's fault).
  void measure(std::span<const DeviceConvolution> shapes, DeviceRuntime& runtime);

  // A line for the device, then one for each pass that is the library's.
  [[nodiscard]] std::string choices() const override;
  // Takes them over; those of another device, or of none, change nothing.
  void use_choices(const std::string& choices) override;

  void convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) override;
  void convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient, const void* weights,
                                  void* input_gradient, bool add) override;
  [[nodiscard]] WeightGradientParts weight_gradient_parts(const DeviceConvolution& shape) const override;
  void convolution_weight_gradient(const DeviceConvolution& shape, const void* input, const void* output_gradient,
                                   float* parts) override;

 private:
  enum class Pass : uint8_t { kForward, kInputGradient, kWeightGradient };
  static std::string name_of(Pass pass, const DeviceConvolution& shape);
  [[nodiscard]] bool is_librarys(Pass pass, const DeviceConvolution& shape) const;
  void measure(const DeviceConvolution& shape, DeviceRuntime& runtime);

  LibraryConvolutions library_;
  std::string device_name_;
  std::set<std::string> librarys_;  // names of passes
};

}  // namespace fer_ddp
