// Kernels whose calls are told apart and timed, around those that do the work. Calls of one kind and shape are one row,
// whichever layer they are of. Only what is called within a step is counted: evaluation has other shapes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/choices.h"
#include "step/device/forwarded_kernels.h"
#include "step/device/kernel_clock.h"
#include "step/device/kernel_work.h"

namespace fer_ddp {

class TimedKernels final : public ForwardedKernels {
 public:
  // `clock` outlives this.
  TimedKernels(std::unique_ptr<DeviceKernels> kernels, Precision precision, KernelClock& clock);

  // The rows in the order of their first call. Waits for the device.
  [[nodiscard]] std::vector<KernelTime> times() const;

  void change_images(const ChangedImages& work) override;
  void image_convolution(const ImageConvolution& work) override;
  void pooled_image_convolution(const PooledImageConvolution& work) override;
  [[nodiscard]] int image_gradient_parts(const DeviceExtent& output) const override;
  void image_convolution_gradient(const ImageConvolutionGradient& work) override;
  [[nodiscard]] int pooled_image_gradient_parts(const DeviceExtent& output) const override;
  void pooled_image_convolution_gradient(const PooledImageConvolutionGradient& work) override;

  void convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) override;
  void convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient, const void* weights,
                                  void* input_gradient, bool add) override;
  [[nodiscard]] WeightGradientParts weight_gradient_parts(const DeviceConvolution& shape) const override;
  void convolution_weight_gradient(const DeviceConvolution& shape, const void* input, const void* output_gradient,
                                   float* parts) override;
  [[nodiscard]] int dense_parts(const DeviceConvolution& shape) const override;
  void dense(const DeviceConvolution& shape, const void* input, const void* weights, float* parts) override;
  void sum_weight_parts(std::span<const WeightParts> all) override;

  [[nodiscard]] int64_t channel_sum_parts(const DeviceExtent& extent) const override;
  void use_channel_sum_parts(float* parts) override;
  void channel_sums(const ChannelSums& work) override;
  void normalize(const Normalize& work) override;
  void gradient_sums(const GradientSums& work) override;
  void gradient_of_values(const GradientOfValues& work) override;
  void residual_sum(const ResidualSum& work) override;
  void residual_gradient(const DeviceExtent& extent, const void* output, void* gradient) override;

  void pass_values(int64_t size, const void* from, void* to, bool add) override;

  void pool(const Pooling& shape, const void* input, void* output, uint8_t* winners) override;
  void pool_gradient(const Pooling& shape, const void* output_gradient, const uint8_t* winners, void* input_gradient,
                     bool add) override;
  void features(const Features& shape, const void* input, void* rows) override;
  void features_gradient(const Features& shape, const void* row_gradient, void* input_gradient) override;
  void activate_rows(const ActivateRows& work) override;
  void activate_rows_gradient(const ActivateRows& work, void* gradient, float* bias_gradient) override;

  void classify(const Classify& work) override;
  void classify_gradient(const Classify& work, const ClassifySums& sums) override;

  void gradient_clip(const GradientClip& work) override;
  void adam(const AdamStep& work) override;
  void sgd(const SgdStep& work) override;
  void muon_directions(const MuonDirections& work) override;
  void muon_filters(const MuonFilters& work) override;

 private:
  friend class TimedStep;
  template <typename WorkOf, typename Call>
  void time(const WorkOf& work_of_call, const Call& call);
  [[nodiscard]] int64_t row_of(KernelWork work);

  KernelClock& clock_;
  ValueKind kind_;
  bool in_step_ = false;
  std::vector<KernelTime> rows_;  // row i is the clock's call i + 1
  std::map<std::pair<std::string, std::string>, int64_t> row_numbers_;
};

// What this thread starts while one of these lives is of a step. Of no clock: nothing is timed; of no kernels: all is
// told apart by the kernels' names alone.
class TimedStep {
 public:
  TimedStep(KernelClock* clock, TimedKernels* kernels);
  TimedStep(const TimedStep&) = delete;
  TimedStep& operator=(const TimedStep&) = delete;
  ~TimedStep();

 private:
  KernelClock* clock_;
  TimedKernels* kernels_;
};

// Rows of what a step starts beside calls of DeviceKernels, by name.
[[nodiscard]] std::vector<KernelTime> times_by_name(const KernelClock::Times& times);

}  // namespace fer_ddp
