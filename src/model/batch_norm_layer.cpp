#include "model/batch_norm_layer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "kernels/batch_norm.h"
#include "model/saved_sum.h"
#include "model/tensor_batch_norm.h"

namespace fer_ddp {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Extent {
  int64_t images, rows_per_image, channels;
  explicit Extent(const at::Tensor& x)
      : images(x.size(0)), rows_per_image(x.size(2) * x.size(3)), channels(x.size(1)) {}
  [[nodiscard]] int64_t rows() const { return images * rows_per_image; }
  [[nodiscard]] int64_t image_size() const { return rows_per_image * channels; }
};

// Sums 2 * channels values image by image and adds the images up in order: the result does not depend on the thread
// count.
template <typename AddImage>
std::vector<double> sum_over_images(const Extent& extent, const AddImage& add_image) {
  const auto width = static_cast<size_t>(2 * extent.channels);
  std::vector<double> by_image(static_cast<size_t>(extent.images) * width);
  at::parallel_for(0, extent.images, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image)
      add_image(image, by_image.data() + static_cast<size_t>(image) * width);
  });
  std::vector<double> sums(width);
  for (size_t i = 0; i < by_image.size(); ++i) sums[i % width] += by_image[i];
  return sums;
}

// Appends the local row count, adds up over the ranks, and takes the global row count off again.
int64_t sum_with_row_count(std::vector<double>& sums, int64_t rows, const SumOverRanks& sum_over_ranks) {
  sums.push_back(static_cast<double>(rows));
  sum_over_ranks(sums);
  const auto global_rows = static_cast<int64_t>(sums.back());
  sums.pop_back();
  return global_rows;
}

at::Tensor affine(const at::Tensor& x, const std::vector<float>& scale, const std::vector<float>& shift) {
  const Extent extent(x);
  at::Tensor y = at::empty_like(x, at::MemoryFormat::ChannelsLast);
  at::parallel_for(0, extent.images, 1, [&](int64_t begin, int64_t end) {
    scale_and_shift(x.const_data_ptr<float>() + begin * extent.image_size(), (end - begin) * extent.rows_per_image,
                    extent.channels, scale.data(), shift.data(), y.data_ptr<float>() + begin * extent.image_size());
  });
  return y;
}

struct Moments {
  int64_t rows = 0;
  std::vector<double> mean, variance;
};

Moments batch_moments(const at::Tensor& x, const float* centre, const SumOverRanks& sum_over_ranks) {
  const Extent extent(x);
  const float* values = x.const_data_ptr<float>();
  std::vector<double> sums = sum_over_images(extent, [&](int64_t image, double* image_sums) {
    add_channel_sums(values + image * extent.image_size(), centre, extent.rows_per_image, extent.channels, image_sums);
  });
  const int64_t global_rows = sum_with_row_count(sums, extent.rows(), sum_over_ranks);
  const auto rows = static_cast<double>(std::max<int64_t>(global_rows, 1));
  const auto channels = static_cast<size_t>(extent.channels);
  Moments moments{global_rows, std::vector<double>(channels), std::vector<double>(channels)};
  for (size_t c = 0; c < channels; ++c) {
    moments.mean[c] = sums[c] / rows;
    const double offset = moments.mean[c] - static_cast<double>(centre[c]);
    moments.variance[c] = std::max(sums[channels + c] / rows - offset * offset, 0.0);
    // max() would turn NaN into 0 and hide a diverged run.
    if (std::isnan(sums[channels + c])) moments.variance[c] = sums[channels + c];
  }
  return moments;
}

void update_running(const BatchNormState& state, const Moments& moments) {
  float* mean = state.running_mean.data_ptr<float>();
  float* variance = state.running_var.data_ptr<float>();
  const double kept = state.kept_share();
  const double correction = state.variance_correction(moments.rows);
  for (size_t c = 0; c < moments.mean.size(); ++c) {
    mean[c] = static_cast<float>(static_cast<double>(mean[c]) * kept + moments.mean[c] * (1.0 - kept));
    variance[c] =
        static_cast<float>(static_cast<double>(variance[c]) * kept + correction * moments.variance[c] * (1.0 - kept));
  }
}

class TrainingBatchNorm : public torch::autograd::Function<TrainingBatchNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const BatchNormState* state, const SumOverRanks* sum_over_ranks) {
    const Moments moments = batch_moments(x, state->running_mean.const_data_ptr<float>(), *sum_over_ranks);
    if (moments.rows > 0) update_running(*state, moments);  // a rank's share may be empty, and its statistics local
    const size_t channels = moments.mean.size();
    std::vector<float> scale(channels);
    std::vector<float> shift(channels);
    at::Tensor mean = at::empty({x.size(1)}, at::kFloat);
    at::Tensor inverse_deviation = at::empty({x.size(1)}, at::kDouble);
    for (size_t c = 0; c < channels; ++c) {
      const double inverse = 1.0 / std::sqrt(moments.variance[c] + state->options.epsilon);
      const double factor = static_cast<double>(weight.const_data_ptr<float>()[c]) * inverse;
      scale[c] = static_cast<float>(factor);
      shift[c] = static_cast<float>(static_cast<double>(bias.const_data_ptr<float>()[c]) - moments.mean[c] * factor);
      mean.data_ptr<float>()[c] = static_cast<float>(moments.mean[c]);
      inverse_deviation.data_ptr<double>()[c] = inverse;
    }
    context->save_for_backward({x, weight, mean, inverse_deviation});
    context->saved_data["sum_over_ranks"] = save_sum(*sum_over_ranks);
    return affine(x, scale, shift);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const float* mean = saved[2].const_data_ptr<float>();
    const double* inverse_deviation = saved[3].const_data_ptr<double>();
    const Extent extent(x);
    std::vector<double> sums = sum_over_images(extent, [&](int64_t image, double* image_sums) {
      const int64_t at = image * extent.image_size();
      add_gradient_sums(dy.const_data_ptr<float>() + at, x.const_data_ptr<float>() + at, mean, extent.rows_per_image,
                        extent.channels, image_sums);
    });

    // The parameters' gradients are this rank's own; the trainer adds them up with all others.
    const auto channels = static_cast<size_t>(extent.channels);
    at::Tensor weight_gradient = at::empty({extent.channels}, at::kFloat);
    at::Tensor bias_gradient = at::empty({extent.channels}, at::kFloat);
    for (size_t c = 0; c < channels; ++c) {
      bias_gradient.data_ptr<float>()[c] = static_cast<float>(sums[c]);
      weight_gradient.data_ptr<float>()[c] = static_cast<float>(sums[channels + c] * inverse_deviation[c]);
    }

    const SumOverRanks& sum_over_ranks = saved_sum(context->saved_data["sum_over_ranks"]);
    const int64_t rows = std::max<int64_t>(sum_with_row_count(sums, extent.rows(), sum_over_ranks), 1);
    return {input_gradient(dy, x, saved, sums, static_cast<double>(rows)), weight_gradient, bias_gradient, at::Tensor(),
            at::Tensor()};
  }

 private:
  // dx = gamma / sigma * (dy - mean(dy) - (x - mean) / sigma^2 * mean(dy * (x - mean))), means over the global batch.
  static at::Tensor input_gradient(const at::Tensor& dy, const at::Tensor& x, const variable_list& saved,
                                   const std::vector<double>& sums, double rows) {
    const Extent extent(x);
    const auto channels = static_cast<size_t>(extent.channels);
    std::vector<float> from_dy(channels);
    std::vector<float> from_x(channels);
    std::vector<float> constant(channels);
    for (size_t c = 0; c < channels; ++c) {
      const double inverse = saved[3].const_data_ptr<double>()[c];
      const double factor = static_cast<double>(saved[1].const_data_ptr<float>()[c]) * inverse;
      const double slope = -factor * inverse * inverse * sums[channels + c] / rows;
      from_dy[c] = static_cast<float>(factor);
      from_x[c] = static_cast<float>(slope);
      constant[c] = static_cast<float>(-factor * sums[c] / rows -
                                       slope * static_cast<double>(saved[2].const_data_ptr<float>()[c]));
    }
    at::Tensor dx = at::empty_like(x, at::MemoryFormat::ChannelsLast);
    at::parallel_for(0, extent.images, 1, [&](int64_t begin, int64_t end) {
      const int64_t at = begin * extent.image_size();
      combine_gradients(dy.const_data_ptr<float>() + at, x.const_data_ptr<float>() + at,
                        (end - begin) * extent.rows_per_image, extent.channels, from_dy.data(), from_x.data(),
                        constant.data(), dx.data_ptr<float>() + at);
    });
    return dx;
  }
};

at::Tensor inference_batch_norm(const at::Tensor& x, const BatchNormState& state) {
  const auto channels = static_cast<size_t>(x.size(1));
  std::vector<float> scale(channels);
  std::vector<float> shift(channels);
  for (size_t c = 0; c < channels; ++c) {
    const double inverse =
        1.0 / std::sqrt(static_cast<double>(state.running_var.const_data_ptr<float>()[c]) + state.options.epsilon);
    const double factor = static_cast<double>(state.weight.const_data_ptr<float>()[c]) * inverse;
    scale[c] = static_cast<float>(factor);
    shift[c] = static_cast<float>(static_cast<double>(state.bias.const_data_ptr<float>()[c]) -
                                  static_cast<double>(state.running_mean.const_data_ptr<float>()[c]) * factor);
  }
  return affine(x, scale, shift);
}

}  // namespace

at::Tensor batch_norm(const at::Tensor& x, const BatchNormState& state, const ForwardContext& context) {
  if (context.tensor_operators) return tensor_batch_norm(x, state, context);
  const at::Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
  if (!context.training) return inference_batch_norm(input, state);
  return TrainingBatchNorm::apply(input, state.weight, state.bias, &state, &context.sum_statistics);
}

}  // namespace fer_ddp
