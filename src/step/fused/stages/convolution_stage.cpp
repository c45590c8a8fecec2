// A convolution with its bias or normalisation, ReLU and pool, by the kernel that its shape asks for.
#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/image_convolution.h"
#include "kernels/mapped_values.h"
#include "kernels/strided_convolution.h"
#include "kernels/strided_tiles.h"
#include "kernels/tile_convolution.h"
#include "kernels/winograd.h"
#include "step/fused/stages/stage.h"

namespace fer_ddp {

namespace {

const layer::Convolution& options_of(const StageSpec& spec) { return std::get<layer::Convolution>(spec.layer->kind); }

layer::BatchNorm normalization_of(const StageSpec& spec) {
  return spec.batch_norm == nullptr ? layer::BatchNorm{} : std::get<layer::BatchNorm>(spec.batch_norm->kind);
}

StridedShape strided_shape(const StageSpec& spec) {
  const layer::Convolution& options = options_of(spec);
  const FeatureShape& input = spec.layer->input;
  return {.height = static_cast<int>(input.height),
          .width = static_cast<int>(input.width),
          .input_channels = static_cast<int>(input.channels),
          .output_channels = static_cast<int>(options.channels),
          .kernel = static_cast<int>(options.kernel),
          .stride = static_cast<int>(options.stride),
          .padding = static_cast<int>(options.padding)};
}

ConvolutionShape shape_of(const StridedShape& shape) {
  return {shape.height, shape.width, shape.input_channels, shape.output_channels, shape.padding};
}

// What all kernels have in common: z, its map, its pool, and its gradient.
class ConvolutionStage : public Stage {
 public:
  ConvolutionStage(const StageSpec& spec, int index, const StageInputs& inputs)
      : Stage(spec, index, inputs.input),
        shape_(strided_shape(spec)),
        around_(*inputs.surroundings),
        ranges_(inputs.ranges),
        normalization_(static_cast<size_t>(shape_.output_channels), normalization_of(spec)),
        z_(static_cast<size_t>(around_.most_images * shape_.output_size())),
        sums_(static_cast<size_t>(int64_t{around_.leaves} * 2 * shape_.output_channels)) {
    if (spec.pool != nullptr) {
      pooled_ = AlignedBuffer<float>(static_cast<size_t>(around_.most_images * spec.output.size()));
      winners_ = AlignedBuffer<uint8_t>(pooled_.size());
    }
    if (normalizes()) {
      const std::span<const float> gamma = ranges_.gamma.size() > 0 ? ranges_.gamma.of(around_.weights) : inputs.ones;
      normalization_.use_parameters(gamma, ranges_.beta.of(around_.weights), ranges_.bias.of(around_.weights));
      normalization_.use_running(inputs.running_mean, inputs.running_variance);
    }
    activation_.values = spec.pool != nullptr ? pooled_.data() : z_.data();
    activation_.scale = normalization_.map().scale;
    activation_.shift = normalization_.map().shift;
    activation_.mean = normalization_.mean();
    if (normalizes() || ranges_.bias.size() > 0) activation_.sums = sums_.data();
  }

  void prepare() override {
    if (!normalizes()) normalization_.use_bias(ranges_.bias.of(around_.weights));
  }

  [[nodiscard]] bool has_second_pass() const override { return spec_.pool != nullptr; }
  void second_pass(const LeafRun& run) override {
    max_pool(pooled_shape(), z_of(run.begin()), run.count(), pooled_.data() + run.begin() * activation_.size(),
             winners_.data() + run.begin() * activation_.size());
  }

  [[nodiscard]] FusedNormalization* normalization() override { return normalizes() ? &normalization_ : nullptr; }
  [[nodiscard]] double* statistics() override { return sums_.data(); }
  [[nodiscard]] int64_t positions() const override { return int64_t{shape_.output_height()} * shape_.output_width(); }

  // Of a bias before a normalisation nothing is left: its gradient is zero, also where something else was kept in the
  // gradients' memory between two steps.
  void use_gradient_sums(std::span<const double> sums, int64_t count) override {
    const std::span<float> bias = ranges_.bias.of(around_.gradients);
    if (normalizes()) {
      normalization_.backpropagate(sums, count, ranges_.gamma.of(around_.gradients),
                                   ranges_.beta.of(around_.gradients));
      std::fill(bias.begin(), bias.end(), 0.0F);
      return;
    }
    for (size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<float>(sums[c]);
  }

  [[nodiscard]] FlatRange weight_range() const override { return ranges_.weights; }
  [[nodiscard]] MappedValues before_pool(int image) const override { return z_of(image); }

 protected:
  [[nodiscard]] bool normalizes() const { return spec_.batch_norm != nullptr; }
  [[nodiscard]] const float* weights() const { return ranges_.weights.of(around_.weights).data(); }
  [[nodiscard]] float* parts_of(int leaf) const { return around_.parts + leaf * shape_.weights(); }
  [[nodiscard]] const float* centre() const { return normalization_.centre(); }
  [[nodiscard]] double* sums_of(const LeafRun& run, int leaf) {
    if (!run.training || !normalizes()) return nullptr;
    return sums_.data() + int64_t{leaf} * 2 * shape_.output_channels;
  }
  [[nodiscard]] MappedValues z_of(int image) const {
    return {z_.data() + image * shape_.output_size(), activation_.scale, activation_.shift};
  }
  [[nodiscard]] PooledShape pooled_shape() const {
    return {shape_.output_height(), shape_.output_width(), shape_.output_channels};
  }

  // The gradient of z as the readers' gradient gives it, from `image` on.
  [[nodiscard]] MappedGradient mapped(int image) const {
    const NormalizationGradient map = normalization_.gradient();
    return {.gradient = activation_.gradient_of(image),
            .winners = spec_.pool != nullptr ? winners_.data() + image * activation_.size() : nullptr,
            .z = z_of(image),
            .from_gradient = map.scale,
            .from_value = map.slope,
            .constant = map.constant};
  }
  // The same as kernels take it that read a gradient through its map: counted from the share's first image. Without a
  // ReLU it is written out for the run's images.
  [[nodiscard]] MappedGradient readable_gradient(const LeafRun& run) const {
    if (spec_.relu != nullptr) return mapped(0);
    return {.gradient = written_gradient(run) - run.begin() * shape_.output_size()};
  }
  [[nodiscard]] ConvolutionGradients gradients_of(const LeafRun& run) {
    return {.input = input_->gradient,
            .add_to_input = adds_,
            .weights = parts_of(run.first_leaf),
            .mean = owes_sums() ? input_->mean : nullptr,
            .sums = owes_sums() ? input_->sums_of(run.first_leaf) : nullptr};
  }
  // The same written out, for a run's images.
  [[nodiscard]] const float* written_gradient(const LeafRun& run) const {
    MappedGradient from = mapped(run.begin());
    const int channels = shape_.output_channels;
    const int64_t rows = run.count() * positions();
    float* dz = around_.output_gradient + run.begin() * shape_.output_size();
    if (spec_.relu == nullptr) {
      if (!normalizes()) return from.gradient;
      normalization_gradient_of_branch(from.gradient, from.z.values, from.from_gradient, from.from_value, from.constant,
                                       rows, channels, dz);
      return dz;
    }
    if (spec_.pool != nullptr) {
      std::fill_n(dz, rows * channels, 0.0F);
      add_max_pool_gradient(pooled_shape(), from.gradient, from.winners, run.count(), dz);
      from.gradient = dz;
    }
    mapped_gradient(from, rows, channels, dz);
    return dz;
  }
  // Calls work(leaf, first image, images) for each leaf of the run.
  template <typename Work>
  static void for_each_leaf(const LeafRun& run, const Work& work) {
    for (size_t i = 0; i + 1 < run.leaves.size(); ++i)
      work(run.first_leaf + static_cast<int>(i), run.leaves[i], run.leaves[i + 1] - run.leaves[i]);
  }

  StridedShape shape_;
  const StageSurroundings& around_;
  StageRanges ranges_;
  FusedNormalization normalization_;
  AlignedBuffer<float> z_;       // [images][height][width][channels]
  AlignedBuffer<float> pooled_;  // the winners of z
  AlignedBuffer<uint8_t> winners_;
  AlignedBuffer<double> sums_;  // [leaves][2 * channels]: forward of z, backward of the gradient
};

class ImageConvolutionStage final : public ConvolutionStage {
 public:
  using ConvolutionStage::ConvolutionStage;

  [[nodiscard]] int64_t scratch_size() const override { return image_convolution_scratch_size(shape_of(shape_)); }

  void compute(const LeafRun& run) override {
    for_each_leaf(run, [&](int leaf, int first, int images) {
      image_convolution(shape_of(shape_), weights(), pixels(first), images, run.scratch,
                        z_.data() + first * shape_.output_size(), centre(), sums_of(run, leaf));
    });
  }

  void backward(const LeafRun& run) override {
    const float* written = spec_.relu != nullptr ? nullptr : written_gradient(run);
    for_each_leaf(run, [&](int leaf, int first, int images) {
      MappedGradient by = mapped(first);
      if (written != nullptr) by = {.gradient = written + (first - run.begin()) * shape_.output_size()};
      image_convolution_gradient(shape_of(shape_), pixels(first), by, images, run.scratch, parts_of(leaf));
    });
  }

 private:
  [[nodiscard]] const float* pixels(int image) const { return around_.images + image * shape_.input_size(); }
};

// Kernels that prepare weights for many images: winograd.h and tile_convolution.h for 3 x 3 convolutions of stride 1,
// strided_tiles.h for the others, which read plain values. The same functions over other weights.
struct WinogradKernels {
  using Weight = float;
  static constexpr int64_t kPreparedAtOnce = 16;  // input channels whose weights a thread prepares
  static auto plan(const StridedShape& shape) { return plan_winograd(shape_of(shape)); }
  static constexpr auto weights_size = winograd_weights_size;
  static constexpr auto scratch_size = winograd_backward_scratch_size;
  static constexpr auto prepare = winograd_transform_weights;
  static constexpr auto forward = winograd_forward;
  static constexpr auto backward = winograd_backward;
};

struct TileKernels {
  using Weight = Bf16;
  static constexpr int64_t kPreparedAtOnce = 32;
  static auto plan(const StridedShape& shape) { return plan_tiles(shape_of(shape)); }
  static constexpr auto weights_size = tile_weights_size;
  static constexpr auto scratch_size = tile_backward_scratch_size;
  static constexpr auto prepare = tile_pack_weights;
  static constexpr auto forward = tile_forward;
  static constexpr auto backward = tile_backward;
};

struct StridedTileKernels {
  using Weight = Bf16;
  static constexpr int64_t kPreparedAtOnce = 32;
  static auto plan(const StridedShape& shape) { return plan_strided_tiles(shape); }
  static constexpr auto weights_size = strided_tile_weights_size;
  static constexpr auto scratch_size = strided_tile_scratch_size;
  static constexpr auto prepare = strided_tile_pack_weights;
  static constexpr auto forward = strided_tile_forward;
  static constexpr auto backward = strided_tile_backward;
};

template <typename Kernels>
class PreparedWeightsStage final : public ConvolutionStage {
 public:
  PreparedWeightsStage(const StageSpec& spec, int index, const StageInputs& inputs)
      : ConvolutionStage(spec, index, inputs),
        plan_(Kernels::plan(shape_)),
        prepared_(static_cast<size_t>(Kernels::weights_size(plan_))),
        transposed_(prepared_.size()) {}

  [[nodiscard]] int64_t scratch_size() const override { return Kernels::scratch_size(plan_); }

  void prepare() override {
    ConvolutionStage::prepare();
    constexpr int64_t kAtOnce = Kernels::kPreparedAtOnce;
    const int64_t inputs = shape_.input_channels;
    at::parallel_for(0, (inputs + kAtOnce - 1) / kAtOnce, 1, [&](int64_t begin, int64_t end) {
      Kernels::prepare(plan_, weights(), static_cast<int>(begin * kAtOnce),
                       static_cast<int>(std::min(end * kAtOnce, inputs)), prepared_.data(), transposed_.data());
    });
  }

  void compute(const LeafRun& run) override {
    Kernels::forward(plan_, prepared_.data(), input_->seen(0), run.leaves, run.scratch, z_.data(), centre(),
                     sums_of(run, run.first_leaf));
  }

  void backward(const LeafRun& run) override {
    Kernels::backward(plan_, transposed_.data(), input_->seen(0), readable_gradient(run), run.leaves, run.scratch,
                      gradients_of(run));
  }

 private:
  decltype(Kernels::plan(StridedShape{})) plan_;
  AlignedBuffer<typename Kernels::Weight> prepared_, transposed_;
};

// It reads plain values, which ask for no sums.
class DirectConvolutionStage final : public ConvolutionStage {
 public:
  DirectConvolutionStage(const StageSpec& spec, int index, const StageInputs& inputs)
      : ConvolutionStage(spec, index, inputs), transposed_(static_cast<size_t>(shape_.weights())) {}

  void prepare() override {
    ConvolutionStage::prepare();
    transpose_weights(shape_, weights(), transposed_.data());
  }

  void compute(const LeafRun& run) override {
    for_each_leaf(run, [&](int leaf, int first, int images) {
      strided_convolution(shape_, weights(), input_->values + first * shape_.input_size(), images,
                          z_.data() + first * shape_.output_size(), centre(), sums_of(run, leaf));
    });
  }

  void backward(const LeafRun& run) override {
    const float* written = written_gradient(run);
    for_each_leaf(run, [&](int leaf, int first, int images) {
      const float* dz = written + (first - run.begin()) * shape_.output_size();
      float* dx = input_->gradient_of(first);
      strided_weight_gradient(shape_, input_->values + first * shape_.input_size(), dz, images, parts_of(leaf));
      if (!adds_) std::fill_n(dx, images * shape_.input_size(), 0.0F);
      add_strided_input_gradient(shape_, transposed_.data(), dz, images, dx);
    });
  }

 private:
  AlignedBuffer<float> transposed_;
};

}  // namespace

std::unique_ptr<Stage> make_convolution_stage(const StageSpec& spec, int index, const StageInputs& inputs) {
  if (inputs.input == nullptr) return std::make_unique<ImageConvolutionStage>(spec, index, inputs);
  const StridedShape shape = strided_shape(spec);
  const bool bf16 = inputs.surroundings->bf16;
  if (shape.kernel == 3 && shape.stride == 1) {
    if (bf16 && tiles_pay(shape_of(shape)))
      return std::make_unique<PreparedWeightsStage<TileKernels>>(spec, index, inputs);
    return std::make_unique<PreparedWeightsStage<WinogradKernels>>(spec, index, inputs);
  }
  if (bf16 && strided_tiles_pay(shape))
    return std::make_unique<PreparedWeightsStage<StridedTileKernels>>(spec, index, inputs);
  return std::make_unique<DirectConvolutionStage>(spec, index, inputs);
}

}  // namespace fer_ddp
