// Times a training step's convolutional work for networks of the VGG kind, on one thread, with the kernels in the order
// in which a step calls them: [c c pool] for each width c, batch normalisation and ReLU after each 3 x 3 convolution,
// global average pooling, a dense layer, cross-entropy; forward and backward, without the optimizer's update.
// tests/bench/convolutions.py runs it beside PyTorch. Usage: vgg_step IMAGES ROUNDS WIDTH...
// Prints images a second of processor time, and the share of each layer and pass.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/kernels/timing.h"
#include "kernels/classifier.h"
#include "kernels/image_convolution.h"
#include "kernels/pooling.h"
#include "kernels/tree_sum.h"
#include "kernels/winograd.h"

namespace fer_ddp {

namespace {

constexpr int kSide = 48;
constexpr int kLeaves = 8;
constexpr int kClasses = 7;

size_t size(int64_t count) { return static_cast<size_t>(count); }

// Batch normalisation between a convolution and its readers: sums in, maps out.
struct Normalization {
  int channels;
  AlignedBuffer<float> mean{size(channels)}, scale{size(channels)}, shift{size(channels)}, from_value{size(channels)},
      constant{size(channels)};
  std::vector<double> inverse = std::vector<double>(size(channels));

  void use_batch(const double* sums, int64_t values) {
    for (int c = 0; c < channels; ++c) {
      const double offset = sums[c] / static_cast<double>(values);
      const double variance = sums[channels + c] / static_cast<double>(values) - offset * offset;
      const double middle = offset + double{mean.data()[c]};
      inverse[size(c)] = 1.0 / std::sqrt(variance + 1e-5);
      mean.data()[c] = static_cast<float>(middle);
      scale.data()[c] = static_cast<float>(inverse[size(c)]);
      shift.data()[c] = static_cast<float>(-middle * inverse[size(c)]);
    }
  }
  void backpropagate(const double* sums, int64_t values) {
    for (int c = 0; c < channels; ++c) {
      const double factor = inverse[size(c)];
      const double slope = -factor * factor * factor * sums[channels + c] / static_cast<double>(values);
      from_value.data()[c] = static_cast<float>(slope);
      constant.data()[c] =
          static_cast<float>(-factor * sums[c] / static_cast<double>(values) - slope * double{mean.data()[c]});
    }
  }
};

// A convolution, the normalisation after it, and the pool after that if there is one.
struct Stage {
  ConvolutionShape shape;
  bool pooled;
  int images;
  WinogradPlan plan = shape.input_channels == 1 ? WinogradPlan{} : plan_winograd(shape);
  AlignedBuffer<float> weights =
      random_floats(shape.weights(), std::sqrt(6.0F / static_cast<float>(9 * shape.input_channels)));
  AlignedBuffer<float> transformed{size(winograd_weights_size(plan))}, transposed{size(winograd_weights_size(plan))};
  AlignedBuffer<float> z{size(images * shape.output_size())};
  AlignedBuffer<float> pooled_z{pooled ? z.size() / 4 : 0};
  AlignedBuffer<uint8_t> winners{pooled_z.size()};
  AlignedBuffer<float> gradient{pooled ? pooled_z.size() : z.size()};  // of the activation
  AlignedBuffer<float> parts{size(kLeaves * shape.weights())};
  AlignedBuffer<double> sums{size(int64_t{kLeaves} * 2 * shape.output_channels)};
  Normalization normalization{shape.output_channels};

  [[nodiscard]] int64_t seen_size() const { return pooled ? shape.output_size() / 4 : shape.output_size(); }
  [[nodiscard]] MappedValues seen(int image) const {
    return {(pooled ? pooled_z : z).data() + image * seen_size(), normalization.scale.data(),
            normalization.shift.data()};
  }
  [[nodiscard]] MappedGradient by(int image) const {
    return {.gradient = gradient.data() + image * seen_size(),
            .winners = pooled ? winners.data() + image * seen_size() : nullptr,
            .z = {z.data() + image * shape.output_size(), normalization.scale.data(), normalization.shift.data()},
            .from_gradient = normalization.scale.data(),
            .from_value = normalization.from_value.data(),
            .constant = normalization.constant.data()};
  }
  [[nodiscard]] double* sums_of(int leaf) { return sums.data() + int64_t{leaf} * 2 * shape.output_channels; }
  void clear_sums() { std::fill_n(sums.data(), sums.size(), 0.0); }
  double* total_sums() {
    add_tree(sums.data(), kLeaves, int64_t{2} * shape.output_channels);
    return sums.data();
  }
  [[nodiscard]] int64_t values() const { return int64_t{images} * shape.output_height() * shape.output_width(); }
};

class Step {
 public:
  Step(int images, const std::vector<int>& widths)
      : images_(images), input_(random_floats(int64_t{images} * kSide * kSide, 1.0F)) {
    int inputs = 1;
    int side = kSide;
    int64_t scratch = 0;
    for (const int width : widths) {
      for (const bool pooled : {false, true}) {
        const ConvolutionShape shape{side, side, inputs, width, 1};
        stages_.push_back(std::make_unique<Stage>(Stage{shape, pooled, images}));
        scratch = std::max(scratch, inputs == 1 ? image_convolution_scratch_size(shape)
                                                : winograd_backward_scratch_size(stages_.back()->plan));
        inputs = width;
      }
      side /= 2;
    }
    head_ = {side, side, inputs};
    scratch_ = AlignedBuffer<float>(size(scratch));
    features_ = AlignedBuffer<float>(size(int64_t{images} * inputs));
    class_weights_ = random_floats(int64_t{kClasses} * inputs, 0.1F);
    class_gradient_ = AlignedBuffer<float>(size((kClasses + 2) * int64_t{inputs} + 16));
    zeros_ = AlignedBuffer<float>(size(inputs + 16));
    seconds_.resize(stages_.size() * 2 + 1);
  }

  void run() {
    last_ = processor_seconds();
    for (size_t i = 0; i < stages_.size(); ++i) forward(i);
    head();
    for (size_t i = stages_.size(); i-- > 0;) backward(i);
  }

  void print() const {
    double all = 0;
    for (const double seconds : seconds_) all += seconds;
    for (size_t i = 0; i < stages_.size(); ++i)
      std::printf("%d to %d at %d: forward %.1f %%, backward %.1f %%\n", stages_[i]->shape.input_channels,
                  stages_[i]->shape.output_channels, stages_[i]->shape.height, 100 * seconds_[2 * i] / all,
                  100 * seconds_[2 * i + 1] / all);
    std::printf("head: %.1f %%\n", 100 * seconds_.back() / all);
  }

 private:
  void lap(size_t index) {
    const double now = processor_seconds();
    seconds_[index] += now - last_;
    last_ = now;
  }
  template <typename Work>
  void for_each_leaf(const Work& work) const {
    for (int leaf = 0; leaf < kLeaves; ++leaf) {
      const int begin = leaves_[size(leaf)];
      work(leaf, begin, leaves_[size(leaf) + 1] - begin);
    }
  }

  void forward(size_t index) {
    Stage& stage = *stages_[index];
    const float* centre = stage.normalization.mean.data();
    stage.clear_sums();
    if (index == 0) {
      for_each_leaf([&](int leaf, int begin, int count) {
        image_convolution(stage.shape, stage.weights.data(), input_.data() + begin * kSide * kSide, count,
                          scratch_.data(), stage.z.data() + begin * stage.shape.output_size(), centre,
                          stage.sums_of(leaf));
      });
    } else {
      winograd_transform_weights(stage.plan, stage.weights.data(), 0, stage.shape.input_channels,
                                 stage.transformed.data(), stage.transposed.data());
      winograd_forward(stage.plan, stage.transformed.data(), stages_[index - 1]->seen(0), leaves_, scratch_.data(),
                       stage.z.data(), centre, stage.sums.data());
    }
    stage.normalization.use_batch(stage.total_sums(), stage.values());
    if (stage.pooled)
      max_pool({stage.shape.output_height(), stage.shape.output_width(), stage.shape.output_channels},
               {stage.z.data(), stage.normalization.scale.data(), stage.normalization.shift.data()}, images_,
               stage.pooled_z.data(), stage.winners.data());
    lap(2 * index);
  }

  void head() {
    Stage& stage = *stages_.back();
    global_average_pool(head_, stage.seen(0), images_, features_.data());
    const Classifier classifier{.units = head_.channels,
                                .classes = kClasses,
                                .hidden_bias = zeros_.data(),
                                .weights = class_weights_.data(),
                                .bias = zeros_.data()};
    const ClassifierGradient to{.hidden_bias = class_gradient_.data(),
                                .weights = class_gradient_.data() + head_.channels,
                                .bias = class_gradient_.data() + (kClasses + 1) * head_.channels};
    for (int image = 0; image < images_; ++image)
      (void)classify_and_backpropagate(classifier, features_.data() + image * head_.channels, image % kClasses, nullptr,
                                       1.0F, 1.0F / static_cast<float>(images_), to);
    stage.clear_sums();
    for_each_leaf([&](int leaf, int begin, int count) {
      global_average_pool_gradient(head_, stage.seen(begin), features_.data() + begin * head_.channels, count,
                                   stage.normalization.mean.data(), stage.gradient.data() + begin * stage.seen_size(),
                                   stage.sums_of(leaf));
    });
    lap(seconds_.size() - 1);
  }

  void backward(size_t index) {
    Stage& stage = *stages_[index];
    stage.normalization.backpropagate(stage.total_sums(), stage.values());
    if (index == 0) {
      for_each_leaf([&](int leaf, int begin, int count) {
        image_convolution_gradient(stage.shape, input_.data() + begin * kSide * kSide, stage.by(begin), count,
                                   scratch_.data(), stage.parts.data() + leaf * stage.shape.weights());
      });
    } else {
      Stage& before = *stages_[index - 1];
      before.clear_sums();
      winograd_backward(stage.plan, stage.transposed.data(), before.seen(0), stage.by(0), leaves_, scratch_.data(),
                        {.input = before.gradient.data(),
                         .add_to_input = false,
                         .weights = stage.parts.data(),
                         .mean = before.normalization.mean.data(),
                         .sums = before.sums.data()});
    }
    add_tree(stage.parts.data(), kLeaves, stage.shape.weights());
    lap(2 * index + 1);
  }

  int images_;
  std::vector<int> leaves_ = leaves_of_share(images_, 0, images_, kLeaves, 0, 1);
  AlignedBuffer<float> input_, scratch_, features_, class_weights_, class_gradient_, zeros_;
  std::vector<std::unique_ptr<Stage>> stages_;
  PooledShape head_;
  std::vector<double> seconds_;  // by stage, forward and backward, and the head's
  double last_ = 0;
};

}  // namespace

}  // namespace fer_ddp

int main(int count, char** arguments) {
  if (count < 4) {
    std::fprintf(stderr, "usage: %s IMAGES ROUNDS WIDTH...\n", arguments[0]);
    return 2;
  }
  const int images = std::atoi(arguments[1]);
  std::vector<int> widths;
  for (int i = 3; i < count; ++i) widths.push_back(std::atoi(arguments[i]));
  fer_ddp::Step step(images, widths);
  const double seconds = fer_ddp::least_seconds(std::atoi(arguments[2]), [&] { step.run(); });
  std::printf("images_per_second %.1f\n", images / seconds);
  step.print();
  return 0;
}
