// Times the convolution kernels on one thread, a layer a line: tests/bench/convolutions.py runs it beside PyTorch.
// Usage: convolutions IMAGES ROUNDS INPUTS,OUTPUTS,SIDE[,KERNEL,STRIDE]... Prints for each the least processor seconds
// of the forward and of the backward pass over IMAGES images (normalisation, ReLU and their sums among them), and the
// same by matrix tiles where the processor has them and the layer more than one input channel; then the peak in FLOP/s.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/kernels/timing.h"
#include "kernels/image_convolution.h"
#include "kernels/strided_convolution.h"
#include "kernels/strided_tiles.h"
#include "kernels/tile_convolution.h"
#include "kernels/winograd.h"

namespace fer_ddp {

namespace {

constexpr int64_t kMostChannels = 1024;

struct Layer {
  ConvolutionShape shape;
  int images;
  AlignedBuffer<float> input = random_floats(images * shape.input_size(), 1.0F);
  AlignedBuffer<float> weights = random_floats(shape.weights(), 0.1F);
  AlignedBuffer<float> gradient = random_floats(images * shape.output_size(), 1.0F);
  AlignedBuffer<float> maps = random_floats(8 * kMostChannels, 1.0F);
  AlignedBuffer<float> output{gradient.size()}, input_gradient{input.size()}, weight_gradient{weights.size()};
  std::vector<double> sums = std::vector<double>(2 * kMostChannels);
  std::vector<int> leaf{0, images};

  [[nodiscard]] const float* map(int i) const { return maps.data() + i * kMostChannels; }
  [[nodiscard]] MappedValues seen() const { return {input.data(), map(0), map(1)}; }
  [[nodiscard]] MappedGradient by() const {
    return {.gradient = gradient.data(),
            .winners = nullptr,
            .z = {output.data(), map(0), map(1)},
            .from_gradient = map(2),
            .from_value = map(3),
            .constant = map(4)};
  }

  void measure_image_layer(int rounds) {
    AlignedBuffer<float> scratch(static_cast<size_t>(image_convolution_scratch_size(shape)));
    print(least_seconds(rounds,
                        [&] {
                          image_convolution(shape, weights.data(), input.data(), images, scratch.data(), output.data(),
                                            map(0), sums.data());
                        }),
          least_seconds(rounds, [&] {
            image_convolution_gradient(shape, input.data(), by(), images, scratch.data(), weight_gradient.data());
          }));
  }

  void measure_winograd(int rounds) {
    const WinogradPlan plan = plan_winograd(shape);
    AlignedBuffer<float> transformed(static_cast<size_t>(winograd_weights_size(plan)));
    AlignedBuffer<float> transposed(static_cast<size_t>(winograd_weights_size(plan)));
    AlignedBuffer<float> scratch(static_cast<size_t>(winograd_backward_scratch_size(plan)));
    winograd_transform_weights(plan, weights.data(), 0, shape.input_channels, transformed.data(), transposed.data());
    print(least_seconds(rounds,
                        [&] {
                          winograd_forward(plan, transformed.data(), seen(), leaf, scratch.data(), output.data(),
                                           map(0), sums.data());
                        }),
          least_seconds(rounds, [&] {
            winograd_backward(plan, transposed.data(), seen(), by(), leaf, scratch.data(), gradients());
          }));
  }

  void measure_tiles(int rounds) {
    const TilePlan plan = plan_tiles(shape);
    AlignedBuffer<Bf16> packed(static_cast<size_t>(tile_weights_size(plan)));
    AlignedBuffer<Bf16> transposed(packed.size());
    AlignedBuffer<float> scratch(static_cast<size_t>(tile_backward_scratch_size(plan)));
    tile_pack_weights(plan, weights.data(), 0, shape.input_channels, packed.data(), transposed.data());
    print(least_seconds(rounds,
                        [&] {
                          tile_forward(plan, packed.data(), seen(), leaf, scratch.data(), output.data(), map(0),
                                       sums.data());
                        }),
          least_seconds(rounds, [&] {
            tile_backward(plan, transposed.data(), seen(), by(), leaf, scratch.data(), gradients());
          }));
  }

  [[nodiscard]] ConvolutionGradients gradients() {
    return {.input = input_gradient.data(), .weights = weight_gradient.data(), .mean = map(0), .sums = sums.data()};
  }

  static void print(double forward, double backward) { std::printf(" %.6e %.6e", forward, backward); }
};

// In fp32, and by tiles where the processor has them.
void measure_direct(const StridedShape& shape, int images, int rounds) {
  const AlignedBuffer<float> input = random_floats(images * shape.input_size(), 1.0F);
  const AlignedBuffer<float> weights = random_floats(shape.weights(), 0.1F);
  const AlignedBuffer<float> gradient = random_floats(images * shape.output_size(), 1.0F);
  const AlignedBuffer<float> centre = random_floats(kMostChannels, 1.0F);
  AlignedBuffer<float> output(gradient.size()), input_gradient(input.size()), weight_gradient(weights.size());
  AlignedBuffer<float> transposed(weights.size());
  std::vector<double> sums(2 * kMostChannels);
  transpose_weights(shape, weights.data(), transposed.data());
  Layer::print(least_seconds(rounds,
                             [&] {
                               strided_convolution(shape, weights.data(), input.data(), images, output.data(),
                                                   centre.data(), sums.data());
                             }),
               least_seconds(rounds, [&] {
                 std::fill_n(input_gradient.data(), input_gradient.size(), 0.0F);
                 add_strided_input_gradient(shape, transposed.data(), gradient.data(), images, input_gradient.data());
                 strided_weight_gradient(shape, input.data(), gradient.data(), images, weight_gradient.data());
               }));
  if (!matrix_tiles_refusal().empty()) return;
  const StridedTilePlan plan = plan_strided_tiles(shape);
  AlignedBuffer<Bf16> packed(static_cast<size_t>(strided_tile_weights_size(plan)));
  AlignedBuffer<Bf16> turned(packed.size());
  AlignedBuffer<float> scratch(static_cast<size_t>(strided_tile_scratch_size(plan)));
  strided_tile_pack_weights(plan, weights.data(), 0, shape.input_channels, packed.data(), turned.data());
  const std::vector<int> leaf{0, images};
  Layer::print(least_seconds(rounds,
                             [&] {
                               strided_tile_forward(plan, packed.data(), {input.data()}, leaf, scratch.data(),
                                                    output.data(), centre.data(), sums.data());
                             }),
               least_seconds(rounds, [&] {
                 strided_tile_backward(plan, turned.data(), {input.data()}, {.gradient = gradient.data()}, leaf,
                                       scratch.data(),
                                       {.input = input_gradient.data(), .weights = weight_gradient.data()});
               }));
}

}  // namespace

}  // namespace fer_ddp

int main(int count, char** arguments) {
  for (int i = 3; i < count; ++i) {
    int inputs = 0;
    int outputs = 0;
    int side = 0;
    int kernel = 3;
    int stride = 1;
    const int read = std::sscanf(arguments[i], "%d,%d,%d,%d,%d", &inputs, &outputs, &side, &kernel, &stride);
    if (read != 3 && read != 5) return 2;
    const int images = std::atoi(arguments[1]);
    const int rounds = std::atoi(arguments[2]);
    std::printf("%d %d %d", inputs, outputs, side);
    if (kernel != 3 || stride != 1) {
      fer_ddp::measure_direct({side, side, inputs, outputs, kernel, stride, kernel / 2}, images, rounds);
      std::puts("");
      continue;
    }
    fer_ddp::Layer layer{{side, side, inputs, outputs, 1}, images};
    if (inputs == 1)
      layer.measure_image_layer(rounds);
    else
      layer.measure_winograd(rounds);
    if (inputs > 1 && fer_ddp::matrix_tiles_refusal().empty()) layer.measure_tiles(rounds);
    std::puts("");
    std::fflush(stdout);
  }
  std::printf("peak %.6e\n", fer_ddp::peak_flops(5));
  return 0;
}
