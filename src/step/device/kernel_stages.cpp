#include "step/device/kernel_stages.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

namespace fer_ddp {

namespace {

class BatchNormKernels;

// A convolution with its bias or normalisation, ReLU and pool.
class ConvolutionKernels final : public KernelStage {
 public:
  // input: null where it reads the images.
  ConvolutionKernels(const StageSpec& spec, KernelValues* input, KernelSurroundings& around);

  void forward(const KernelBatch& batch) override;
  void backward(const KernelBatch& batch) override;
  // The normalisation that reads this alone: its sums are taken on the way, and its gradient.
  void take_along(BatchNormKernels& behind) { behind_ = &behind; }
  [[nodiscard]] KernelValues before_map(const KernelBatch& batch) const override {
    return {.shape = spec_.layer->output, .values = z_.defined() ? z_.data_ptr() : nullptr, .map = map(batch)};
  }
  [[nodiscard]] const uint8_t* winners() const override {
    return winners_.defined() ? winners_.const_data_ptr<uint8_t>() : nullptr;
  }

 private:
  [[nodiscard]] DeviceConvolution shape(int images) const { return convolution_of(*spec_.layer, images); }
  [[nodiscard]] DeviceExtent extent(int images) const { return shape(images).output; }
  [[nodiscard]] ChannelMap map(const KernelBatch& batch) const;
  [[nodiscard]] ValueGradient value_gradient(const KernelBatch& batch) const;
  [[nodiscard]] const void* gradient_of_values(const KernelBatch& batch);
  [[nodiscard]] int64_t most_parts() const;
  [[nodiscard]] bool writes_out() const { return spec_.relu != nullptr; }
  // From the images to the pool in one pass.
  [[nodiscard]] bool is_one_pass() const {
    return input_ == nullptr && spec_.pool != nullptr && spec_.batch_norm == nullptr;
  }
  void forward_in_one_pass(const KernelBatch& batch);
  void backward_in_one_pass(const KernelBatch& batch);

  StageSpec spec_;
  KernelValues* input_;
  KernelSurroundings& around_;
  std::string name_;
  const float* bias_;
  std::unique_ptr<KernelNormalization> normalization_;
  BatchNormKernels* behind_ = nullptr;
  at::Tensor z_, y_, winners_, parts_;
};

class BatchNormKernels final : public KernelStage {
 public:
  // is_last: the head reads it, and applies its map.
  BatchNormKernels(const StageSpec& spec, KernelValues& input, KernelSurroundings& around, bool is_taken_along,
                   bool is_last)
      : input_(input),
        around_(around),
        normalization_(around, *spec.layer, nullptr),
        is_taken_along_(is_taken_along),
        is_last_(is_last) {
    left_.shape = spec.output;
    if (!is_last) y_ = around.make_values(around.most_images * spec.output.size());
    left_.values = is_last ? input.values : y_.data_ptr();
    around.value_gradient_size = std::max(around.value_gradient_size, around.most_images * spec.output.size());
  }

  void forward(const KernelBatch& batch) override {
    left_.has_gradient = false;
    const DeviceExtent extent = input_.extent(batch.images);
    if (batch.training) {
      if (!is_taken_along_)
        around_.kernels.channel_sums({extent, input_.values, normalization_.map(batch), normalization_.sums()});
      normalization_.sum_over_ranks();
    }
    if (is_last_) {
      left_.map = normalization_.map(batch);
      return;
    }
    around_.kernels.normalize(
        {.input = extent, .values = input_.values, .map = normalization_.map(batch), .output = left_.values});
  }
  void backward(const KernelBatch& batch) override {
    const ValueGradient of{.input = input_.extent(batch.images),
                           .values = input_.values,
                           .map = normalization_.map(batch),
                           .gradient = left_.gradient};
    normalization_.take_gradient_sums(of);
    if (is_taken_along_) return;
    const bool adds = std::exchange(input_.has_gradient, true);
    void* to = adds ? around_.value_gradient.data_ptr() : input_.gradient;
    around_.kernels.gradient_of_values(
        {.of = of, .sums = normalization_.gradient_sums(), .count = normalization_.count(batch), .output = to});
    if (adds) around_.kernels.pass_values(of.input.size(), to, input_.gradient, true);
  }

  [[nodiscard]] const KernelNormalization& normalization() const { return normalization_; }
  // Of what it reads, through it.
  [[nodiscard]] NormalizedGradient gradient(const KernelBatch& batch) const {
    return {.values = input_.values,
            .map = normalization_.map(batch),
            .sums = normalization_.gradient_sums(),
            .count = normalization_.count(batch)};
  }

 private:
  KernelValues& input_;
  KernelSurroundings& around_;
  KernelNormalization normalization_;
  bool is_taken_along_;
  bool is_last_;
  at::Tensor y_;
};

ConvolutionKernels::ConvolutionKernels(const StageSpec& spec, KernelValues* input, KernelSurroundings& around)
    : spec_(spec),
      input_(input),
      around_(around),
      name_(spec.layer->name),
      bias_(around.weights(spec.layer->name + ".bias")) {
  left_.shape = spec.output;
  if (!is_one_pass()) {
    const int64_t z_size = around.most_images * spec.layer->output.size();
    z_ = around.make_values(z_size);
    around.value_gradient_size = std::max(around.value_gradient_size, z_size);
  }
  if (spec.batch_norm != nullptr)
    normalization_ = std::make_unique<KernelNormalization>(around, *spec.batch_norm, bias_);
  if (writes_out()) {
    y_ = around.make_values(around.most_images * spec.output.size());
    if (spec.pool != nullptr) winners_ = at::zeros({around.most_images * spec.output.size()}, y_.options());
  }
  left_.values = writes_out() ? y_.data_ptr() : z_.data_ptr();
  if (around.trains) parts_ = around.make_floats(most_parts() * (shape(0).weights() + left_.shape.channels));
}

// Of any number of images.
int64_t ConvolutionKernels::most_parts() const {
  const auto parts = [this](int images) {
    if (is_one_pass()) return around_.kernels.pooled_image_gradient_parts(extent(images));
    return input_ == nullptr ? around_.kernels.image_gradient_parts(extent(images))
                             : around_.kernels.weight_gradient_parts(shape(images)).count;
  };
  int most = 1;
  for (int images = 1; images <= around_.most_images; ++images) most = std::max(most, parts(images));
  return most;
}

ChannelMap ConvolutionKernels::map(const KernelBatch& batch) const {
  if (normalization_) return normalization_->map(batch);
  return {.kind = bias_ == nullptr ? ChannelMap::Kind::kIdentity : ChannelMap::Kind::kBias, .bias = bias_};
}

void ConvolutionKernels::forward_in_one_pass(const KernelBatch& batch) {
  const DeviceConvolution convolution = shape(batch.images);
  PooledImageConvolution work{.convolution = {.source = around_.source,
                                              .weights = around_.weights(name_ + ".weight"),
                                              .padding = convolution.padding,
                                              .output = convolution.output},
                              .bias = bias_,
                              .output = left_.values,
                              .winners = winners_.data_ptr<uint8_t>()};
  if (behind_ != nullptr && batch.training) {
    work.output_map = behind_->normalization().map(batch);
    work.output_sums = behind_->normalization().sums();
  }
  around_.kernels.pooled_image_convolution(work);
}

void ConvolutionKernels::backward_in_one_pass(const KernelBatch& batch) {
  const DeviceConvolution convolution = shape(batch.images);
  PooledImageConvolutionGradient work{.source = around_.source,
                                      .padding = convolution.padding,
                                      .output = convolution.output,
                                      .pooled = left_.values,
                                      .winners = winners(),
                                      .gradient = left_.gradient,
                                      .parts = parts_.data_ptr<float>()};
  if (behind_ != nullptr) {
    work.gradient = behind_->left().gradient;
    work.behind = behind_->gradient(batch);
  }
  around_.kernels.pooled_image_convolution_gradient(work);
  const int channels = convolution.output.channels;
  WeightParts parts{.parts = work.parts,
                    .part_count = around_.kernels.pooled_image_gradient_parts(convolution.output),
                    .part_stride = 10 * channels,
                    .rows = 9,
                    .columns = channels,
                    .output = around_.gradient(name_ + ".weight")};
  around_.add_weight_parts(parts);
  if (bias_ == nullptr) return;
  parts.parts += 9 * channels;
  parts.rows = 1;
  parts.output = around_.gradient(name_ + ".bias");
  around_.add_weight_parts(parts);
}

void ConvolutionKernels::forward(const KernelBatch& batch) {
  left_.has_gradient = false;
  if (is_one_pass()) return forward_in_one_pass(batch);
  const DeviceConvolution convolution = shape(batch.images);
  void* z = z_.data_ptr();
  if (input_ == nullptr) {
    around_.kernels.image_convolution({.source = around_.source,
                                       .weights = around_.weights(name_ + ".weight"),
                                       .padding = convolution.padding,
                                       .output = convolution.output,
                                       .values = z});
  } else {
    around_.kernels.convolution(convolution, input_->values, around_.values_of(name_ + ".weight"), z);
  }
  if (normalization_ && batch.training) {
    around_.kernels.channel_sums({convolution.output, z, normalization_->map(batch), normalization_->sums()});
    normalization_->sum_over_ranks();
  }
  if (!writes_out()) {
    left_.map = map(batch);
    return;
  }
  Normalize work{.input = convolution.output,
                 .values = z,
                 .map = map(batch),
                 .relu = true,
                 .pool = spec_.pool != nullptr,
                 .output = left_.values,
                 .winners = winners_.defined() ? winners_.data_ptr<uint8_t>() : nullptr};
  if (behind_ != nullptr && batch.training) {
    work.output_map = behind_->normalization().map(batch);
    work.output_sums = behind_->normalization().sums();
  }
  around_.kernels.normalize(work);
}

ValueGradient ConvolutionKernels::value_gradient(const KernelBatch& batch) const {
  ValueGradient of{.input = extent(batch.images),
                   .values = z_.data_ptr(),
                   .map = map(batch),
                   .relu = spec_.relu != nullptr,
                   .pool = spec_.pool != nullptr,
                   .winners = winners_.defined() ? winners_.const_data_ptr<uint8_t>() : nullptr,
                   .gradient = left_.gradient};
  if (behind_ != nullptr) {
    of.gradient = behind_->left().gradient;
    of.behind = behind_->gradient(batch);
  }
  return of;
}

// That of z: readers' gradient through the pool, the ReLU and the normalisation.
const void* ConvolutionKernels::gradient_of_values(const KernelBatch& batch) {
  const ValueGradient of = value_gradient(batch);
  void* to = around_.value_gradient.data_ptr();
  float* bias_gradient = around_.gradient(name_ + ".bias");
  if (!normalization_ && !writes_out()) {
    if (bias_gradient != nullptr) around_.kernels.gradient_sums({.of = of, .beta_gradient = bias_gradient});
    // A residual's body shares its memory with what it reads, where that goes round it: a product cannot work in place.
    if (input_ == nullptr || of.gradient != input_->gradient) return of.gradient;
    around_.kernels.pass_values(of.input.size(), of.gradient, to, false);
    return to;
  }
  GradientOfValues work{.of = of, .output = to};
  if (normalization_) {
    normalization_->take_gradient_sums(of);
    work.sums = normalization_->gradient_sums();
    work.count = normalization_->count(batch);
  } else {
    work.bias_gradient = bias_gradient;
  }
  around_.kernels.gradient_of_values(work);
  return to;
}

void ConvolutionKernels::backward(const KernelBatch& batch) {
  if (is_one_pass()) return backward_in_one_pass(batch);
  const DeviceConvolution convolution = shape(batch.images);
  const void* z_gradient = gradient_of_values(batch);
  if (input_ == nullptr) {
    around_.kernels.image_convolution_gradient({.source = around_.source,
                                                .padding = convolution.padding,
                                                .output = convolution.output,
                                                .gradient = z_gradient,
                                                .parts = parts_.data_ptr<float>()});
    around_.add_weight_parts({.parts = parts_.const_data_ptr<float>(),
                              .part_count = around_.kernels.image_gradient_parts(convolution.output),
                              .part_stride = convolution.weights(),
                              .rows = 9,
                              .columns = convolution.output.channels,
                              .output = around_.gradient(name_ + ".weight")});
    return;
  }
  float* parts = around_.take_weight_parts(parts_, convolution, name_ + ".weight");
  around_.kernels.convolution_weight_gradient(convolution, input_->values, z_gradient, parts);
  const bool adds = std::exchange(input_->has_gradient, true);
  around_.kernels.convolution_input_gradient(convolution, z_gradient, around_.values_of(name_ + ".weight"),
                                             input_->gradient, adds);
}

// Whether a normalisation's sums may be taken where its values are written: it alone reads a convolution that
// normalises nothing itself.
bool is_taken_along(const StagePlan& plan, const StageSpec& spec) {
  const StageSpec& read = plan.stages[static_cast<size_t>(spec.input)];
  const auto readers = std::count_if(plan.stages.begin(), plan.stages.end(), [&spec](const StageSpec& other) {
    return other.input == spec.input || other.shortcut == spec.input;
  });
  return read.kind == StageSpec::Kind::kConvolution && read.relu != nullptr && read.batch_norm == nullptr &&
         readers == 1;
}

}  // namespace

std::vector<std::unique_ptr<KernelStage>> make_kernel_stages(const StagePlan& plan, KernelSurroundings& around) {
  std::vector<std::unique_ptr<KernelStage>> stages;
  const auto read = [&stages](int stage) -> KernelValues& { return stages[static_cast<size_t>(stage)]->left(); };
  for (const StageSpec& spec : plan.stages) {
    switch (spec.kind) {
      case StageSpec::Kind::kConvolution:
        stages.push_back(std::make_unique<ConvolutionKernels>(
            spec, spec.input == StageSpec::kImages ? nullptr : &read(spec.input), around));
        break;
      case StageSpec::Kind::kBatchNorm: {
        const bool along = is_taken_along(plan, spec);
        auto stage =
            std::make_unique<BatchNormKernels>(spec, read(spec.input), around, along, &spec == &plan.stages.back());
        if (along) static_cast<ConvolutionKernels&>(*stages[static_cast<size_t>(spec.input)]).take_along(*stage);
        stages.push_back(std::move(stage));
        break;
      }
      case StageSpec::Kind::kResidual:
        stages.push_back(make_residual_kernels(spec, read(spec.input), read(spec.shortcut), around));
        break;
      default:
        stages.push_back(make_pool_kernels(spec, read(spec.input), around));
    }
  }
  return stages;
}

}  // namespace fer_ddp
