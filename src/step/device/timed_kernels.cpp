#include "step/device/timed_kernels.h"

#include <cstddef>

namespace fer_ddp {

TimedKernels::TimedKernels(std::unique_ptr<DeviceKernels> kernels, Precision precision, KernelClock& clock)
    : ForwardedKernels(std::move(kernels)),
      clock_(clock),
      kind_{.bytes = kernels_->value_bytes(), .on_matrix_units = precision != Precision::kFp32} {}

TimedStep::TimedStep(KernelClock* clock, TimedKernels* kernels) : clock_(clock), kernels_(kernels) {
  if (kernels_ != nullptr) kernels_->in_step_ = true;
  if (clock_ != nullptr) clock_->begin(KernelClock::kStep);
}

TimedStep::~TimedStep() {
  if (clock_ != nullptr) clock_->end();
  if (kernels_ != nullptr) kernels_->in_step_ = false;
}

std::vector<KernelTime> times_by_name(const KernelClock::Times& times) {
  std::vector<KernelTime> rows;
  for (const auto& [name, time] : times.of_steps)
    rows.push_back({.work = {.kernel = name}, .launches = time.launches, .seconds = time.seconds});
  return rows;
}

int64_t TimedKernels::row_of(KernelWork work) {
  const auto [found, is_new] =
      row_numbers_.try_emplace({work.kernel, work.shape}, static_cast<int64_t>(rows_.size()) + 1);
  if (is_new) rows_.push_back({.work = std::move(work)});
  return found->second;
}

template <typename WorkOf, typename Call>
void TimedKernels::time(const WorkOf& work_of_call, const Call& call) {
  if (!in_step_) {
    call();
    return;
  }
  const int64_t number = row_of(work_of_call());
  ++rows_[static_cast<size_t>(number - 1)].calls;
  clock_.begin(number);
  call();
  clock_.end();
}

std::vector<KernelTime> TimedKernels::times() const {
  const KernelClock::Times found = clock_.times();
  std::vector<KernelTime> all = rows_;
  for (size_t i = 0; i < all.size(); ++i) {
    const auto time = found.of_calls.find(static_cast<int64_t>(i) + 1);
    if (time == found.of_calls.end()) continue;
    all[i].launches = time->second.launches;
    all[i].seconds = time->second.seconds;
  }
  for (KernelTime& row : times_by_name(found)) all.push_back(std::move(row));
  return all;
}

void TimedKernels::change_images(const ChangedImages& work) {
  time([&] { return work_of(work); }, [&] { kernels_->change_images(work); });
}

void TimedKernels::image_convolution(const ImageConvolution& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->image_convolution(work); });
}

void TimedKernels::pooled_image_convolution(const PooledImageConvolution& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->pooled_image_convolution(work); });
}

int TimedKernels::image_gradient_parts(const DeviceExtent& output) const {
  return kernels_->image_gradient_parts(output);
}

void TimedKernels::image_convolution_gradient(const ImageConvolutionGradient& work) {
  time([&] { return work_of(work, image_gradient_parts(work.output), kind_); },
       [&] { kernels_->image_convolution_gradient(work); });
}

int TimedKernels::pooled_image_gradient_parts(const DeviceExtent& output) const {
  return kernels_->pooled_image_gradient_parts(output);
}

void TimedKernels::pooled_image_convolution_gradient(const PooledImageConvolutionGradient& work) {
  time([&] { return work_of(work, pooled_image_gradient_parts(work.output), kind_); },
       [&] { kernels_->pooled_image_convolution_gradient(work); });
}

void TimedKernels::convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) {
  time([&] { return work_of_convolution(shape, kind_); },
       [&] { kernels_->convolution(shape, input, weights, output); });
}

void TimedKernels::convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient,
                                              const void* weights, void* input_gradient, bool add) {
  time([&] { return work_of_input_gradient(shape, add, kind_); },
       [&] { kernels_->convolution_input_gradient(shape, output_gradient, weights, input_gradient, add); });
}

WeightGradientParts TimedKernels::weight_gradient_parts(const DeviceConvolution& shape) const {
  return kernels_->weight_gradient_parts(shape);
}

void TimedKernels::convolution_weight_gradient(const DeviceConvolution& shape, const void* input,
                                               const void* output_gradient, float* parts) {
  time([&] { return work_of_weight_gradient(shape, weight_gradient_parts(shape).count, kind_); },
       [&] { kernels_->convolution_weight_gradient(shape, input, output_gradient, parts); });
}

int TimedKernels::dense_parts(const DeviceConvolution& shape) const { return kernels_->dense_parts(shape); }

void TimedKernels::dense(const DeviceConvolution& shape, const void* input, const void* weights, float* parts) {
  time([&] { return work_of_dense(shape, dense_parts(shape), kind_); },
       [&] { kernels_->dense(shape, input, weights, parts); });
}

void TimedKernels::sum_weight_parts(std::span<const WeightParts> all) {
  time([&] { return work_of(all); }, [&] { kernels_->sum_weight_parts(all); });
}

int64_t TimedKernels::channel_sum_parts(const DeviceExtent& extent) const {
  return kernels_->channel_sum_parts(extent);
}

void TimedKernels::use_channel_sum_parts(float* parts) { kernels_->use_channel_sum_parts(parts); }

void TimedKernels::channel_sums(const ChannelSums& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->channel_sums(work); });
}

void TimedKernels::normalize(const Normalize& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->normalize(work); });
}

void TimedKernels::gradient_sums(const GradientSums& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->gradient_sums(work); });
}

void TimedKernels::gradient_of_values(const GradientOfValues& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->gradient_of_values(work); });
}

void TimedKernels::residual_sum(const ResidualSum& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->residual_sum(work); });
}

void TimedKernels::residual_gradient(const DeviceExtent& extent, const void* output, void* gradient) {
  time([&] { return work_of_residual_gradient(extent, kind_); },
       [&] { kernels_->residual_gradient(extent, output, gradient); });
}

void TimedKernels::pass_values(int64_t size, const void* from, void* to, bool add) {
  time([&] { return work_of_passing(size, add, kind_); }, [&] { kernels_->pass_values(size, from, to, add); });
}

void TimedKernels::pool(const Pooling& shape, const void* input, void* output, uint8_t* winners) {
  time([&] { return work_of(shape, kind_); }, [&] { kernels_->pool(shape, input, output, winners); });
}

void TimedKernels::pool_gradient(const Pooling& shape, const void* output_gradient, const uint8_t* winners,
                                 void* input_gradient, bool add) {
  time([&] { return work_of_pool_gradient(shape, add, kind_); },
       [&] { kernels_->pool_gradient(shape, output_gradient, winners, input_gradient, add); });
}

void TimedKernels::features(const Features& shape, const void* input, void* rows) {
  time([&] { return work_of(shape, kind_); }, [&] { kernels_->features(shape, input, rows); });
}

void TimedKernels::features_gradient(const Features& shape, const void* row_gradient, void* input_gradient) {
  time([&] { return work_of_features_gradient(shape, kind_); },
       [&] { kernels_->features_gradient(shape, row_gradient, input_gradient); });
}

void TimedKernels::activate_rows(const ActivateRows& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->activate_rows(work); });
}

void TimedKernels::activate_rows_gradient(const ActivateRows& work, void* gradient, float* bias_gradient) {
  time([&] { return work_of_activation_gradient(work, kind_); },
       [&] { kernels_->activate_rows_gradient(work, gradient, bias_gradient); });
}

void TimedKernels::classify(const Classify& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->classify(work); });
}

void TimedKernels::classify_gradient(const Classify& work, const ClassifySums& sums) {
  time([&] { return work_of_classify_gradient(work, sums, kind_); }, [&] { kernels_->classify_gradient(work, sums); });
}

void TimedKernels::gradient_clip(const GradientClip& work) {
  time([&] { return work_of(work); }, [&] { kernels_->gradient_clip(work); });
}

void TimedKernels::adam(const AdamStep& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->adam(work); });
}

void TimedKernels::sgd(const SgdStep& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->sgd(work); });
}

void TimedKernels::muon_directions(const MuonDirections& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->muon_directions(work); });
}

void TimedKernels::muon_filters(const MuonFilters& work) {
  time([&] { return work_of(work, kind_); }, [&] { kernels_->muon_filters(work); });
}

}  // namespace fer_ddp
