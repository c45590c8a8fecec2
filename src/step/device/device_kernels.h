// The kernels that a device has of its own for a training step (step/device/kernel_engine.h), as plain calls: each
// starts one kernel on the device's stream, or a few, and returns. The CUDA plug-in implements them (src/cuda/kernels);
// the tests run the same sources on the host.
//
// Pointers are of the device's memory. Activations and their gradients are "values": fp32 or bfloat16 as
// value_bytes() says, [images][height][width][channels] with channels a multiple of 16, 16-byte aligned. All else is
// fp32. No kernel adds floats by atomics, and sums are taken in an order that the shapes and the number of the device's
// multiprocessors decide, so that on one model of device the same call gives the same bits. Calls throw Error (the
// machine's fault) where a kernel cannot start. No torch here, nor CUDA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/pixel_scale.h"
#include "step/device/changed_images.h"
#include "step/device/weight_updates.h"

namespace fer_ddp {

struct DeviceExtent {
  int images = 0;
  int height = 1;
  int width = 1;
  int channels = 0;

  [[nodiscard]] int64_t positions() const { return int64_t{images} * height * width; }
  [[nodiscard]] int64_t size() const { return positions() * channels; }
};

// ---- Convolutions and dense layers as products of matrices ----

// 3 x 3 or 1 x 1, stride 1 or 2; a dense layer is 1 x 1 on images of one position. Weights are values, [outputs]
// [kernel][kernel][inputs].
struct DeviceConvolution {
  DeviceExtent input{};
  DeviceExtent output{};
  int kernel = 3;
  int stride = 1;
  int padding = 0;

  [[nodiscard]] int taps() const { return kernel * kernel; }
  [[nodiscard]] int64_t weights() const { return int64_t{taps()} * input.channels * output.channels; }
  // Of a pass, two a multiplication with a weight.
  [[nodiscard]] double operations() const {
    return 2.0 * static_cast<double>(output.positions()) * static_cast<double>(weights());
  }
};

// Parts of a weight gradient: each as the weights lie, or turned, [kernel * kernel * inputs][outputs].
struct WeightGradientParts {
  int count = 1;
  bool is_turned = false;
};

// ---- Channels ----

// v = z * scale + shift by channel: nothing, a bias, or a normalisation by the statistics of a batch or the running
// ones. `bias` is a convolution's, which a normalisation takes away again but for the running mean.
struct ChannelMap {
  enum class Kind : uint8_t { kIdentity, kBias, kBatch, kRunning };
  Kind kind = Kind::kIdentity;
  const float* bias = nullptr;   // [channels]; null: none
  const float* gamma = nullptr;  // null: ones
  const float* beta = nullptr;   // null: zeros
  float epsilon = 0;
  const float* running_mean = nullptr;  // kRunning; of kBatch the centre that `sums` are about
  const float* running_variance = nullptr;
  // kBatch: sums of z - centre and of its square over all ranks' `count` values, centre = running_mean - bias.
  const float* sums = nullptr;  // [2][channels]
  float count = 0;
  float* mean = nullptr;               // [channels] of z: normalize() writes it, the gradient's calls read it
  float* inverse_deviation = nullptr;  // likewise
  float* next_mean = nullptr;          // the running statistics behind this batch; normalize() writes them
  float* next_variance = nullptr;
  float momentum = 0;  // the share of the batch's
  bool unbiased = true;
};

// sums[0][c] = the sum of values - centre, sums[1][c] = that of its square; centre = running_mean - bias of the map.
struct ChannelSums {
  DeviceExtent extent{};
  const void* values = nullptr;
  ChannelMap map{};
  float* sums = nullptr;  // [2][channels]
};

// y = pool(relu(map(z))).
struct Normalize {
  DeviceExtent input{};  // of z
  const void* values = nullptr;
  ChannelMap map{};
  bool relu = false;
  bool pool = false;           // 2 x 2 of stride 2 by the largest; what does not fit whole is left out
  void* output = nullptr;      // values, of [height / 2][width / 2] where pooled
  uint8_t* winners = nullptr;  // of the output's extent: 2 * row + column within the window; the first of equals
  // What a normalisation of the output asks for, where one follows: as ChannelSums, of the output.
  ChannelMap output_map{};
  float* output_sums = nullptr;  // null: nothing
};

// A normalisation that reads y and whose readers' gradient is what one has: the gradient of y is
// gamma * inverse_deviation * (g - sums[0] / count - (y - mean) * inverse_deviation^2 * sums[1] / count).
struct NormalizedGradient {
  const void* values = nullptr;  // y; null: none follows, and g is the gradient of y itself
  ChannelMap map{};
  const float* sums = nullptr;  // [2][channels], over all ranks
  float count = 0;
};

// From the gradient of y: g' at each value of z that decides (a window's winner, where pooled; above zero, where ReLU).
struct ValueGradient {
  DeviceExtent input{};  // of z
  const void* values = nullptr;
  ChannelMap map{};
  bool relu = false;
  bool pool = false;
  const uint8_t* winners = nullptr;
  const void* gradient = nullptr;  // values, of y's extent, or of what the normalisation behind it writes:
  NormalizedGradient behind{};
};

// sums[0][c] = sum of g', sums[1][c] = sum of g' * (z - mean), of this rank's images; of a map without a normalisation
// the first alone. Gradients of the map's parameters are those sums, and go where they are asked for.
struct GradientSums {
  ValueGradient of{};
  float* sums = nullptr;            // [2][channels]; null: not asked for
  float* gamma_gradient = nullptr;  // sums[1] * inverse_deviation; null: not trained
  float* beta_gradient = nullptr;   // sums[0]: of beta, or of a bias without a normalisation
};

// Gradient of z: g' itself, or through the normalisation as NormalizedGradient says of z.
struct GradientOfValues {
  ValueGradient of{};
  const float* sums = nullptr;     // over all ranks; null: the map normalises nothing
  float count = 0;                 // of values that they are of
  void* output = nullptr;          // values, of z's extent: all of it is written
  float* bias_gradient = nullptr;  // sum of g'; null: not asked for
};

// out = relu(map_a(a) + map_b(b)).
struct ResidualSum {
  DeviceExtent extent{};
  const void* a = nullptr;
  ChannelMap map_a{};
  const void* b = nullptr;
  ChannelMap map_b{};
  void* output = nullptr;
};

// ---- Images ----

// A step's images: made beforehand, or the rows order[*first + i] of a split, as a network takes them in.
struct ImageSource {
  const float* pixels = nullptr;          // [images][48 * 48]; null: of the split's bytes
  const uint8_t* split_images = nullptr;  // [rows][48 * 48]
  const int32_t* order = nullptr;         // null: rows are positions
  const int32_t* first = nullptr;         // [1]
  PixelScale scale = PixelScale::kUnit;
};

// The convolution that reads the image: one channel in, 3 x 3, stride 1. No bias: what reads its output adds it.
struct ImageConvolution {
  ImageSource source{};
  const float* weights = nullptr;  // [channels][9]
  int padding = 0;                 // 0 or 1
  DeviceExtent output{};
  void* values = nullptr;  // [output]
};
// parts[block]: [9][channels] of the weights' gradient.
struct ImageConvolutionGradient {
  ImageSource source{};
  int padding = 0;
  DeviceExtent output{};
  const void* gradient = nullptr;  // values, of the output
  float* parts = nullptr;          // [image_gradient_parts(output)][9][channels]
};

// The same convolution with a bias, ReLU and pool in one pass, as Normalize has them; its values are not kept.
struct PooledImageConvolution {
  ImageConvolution convolution{};  // `values` is not used
  const float* bias = nullptr;     // null: none
  void* output = nullptr;          // values, of [height / 2][width / 2]
  uint8_t* winners = nullptr;
  ChannelMap output_map{};
  float* output_sums = nullptr;
};
// parts[block]: [9][channels] of the weights' gradient and [channels] of the bias'.
struct PooledImageConvolutionGradient {
  ImageSource source{};
  int padding = 0;
  DeviceExtent output{};         // of the convolution
  const void* pooled = nullptr;  // values: what the pass forward left
  const uint8_t* winners = nullptr;
  const void* gradient = nullptr;  // values, of the pool's output, or of what the normalisation behind it writes:
  NormalizedGradient behind{};
  float* parts = nullptr;  // [pooled_image_gradient_parts(output)][10][channels]
};

// ---- Plain layers ----

struct Pooling {  // 2 x 2 of stride 2
  DeviceExtent input{};
  bool average = false;  // else the largest, with its winners
};

// A row of values for each image: the mean of each channel, or all of it as [channel][height][width].
struct Features {
  DeviceExtent input{};
  bool average = false;
  ChannelMap map{};  // of the input; forward alone
};

// rows[i][u] in place of an activation between dense layers: x = sum of parts + bias; relu; then dropout.
struct ActivateRows {
  int images = 0;
  int units = 0;
  const float* parts = nullptr;  // [part_count][images][units]; null: `rows` instead
  int part_count = 1;
  const void* rows = nullptr;  // values [images][units]; may be the output
  const float* bias = nullptr;
  bool relu = false;
  const uint8_t* kept = nullptr;        // [rows of an epoch][kept_stride]; null: no dropout
  const int32_t* first_kept = nullptr;  // [1]: the row of the first image
  int64_t kept_stride = 0;
  int64_t kept_offset = 0;
  float kept_scale = 1;
  void* output = nullptr;  // values
};

// ---- The end: the last dense layer, softmax and loss ----

// What teachers said of a batch's images (step/teachers.h has the loss).
struct TeacherLogits {
  int count = 0;                  // of teachers
  const float* logits = nullptr;  // [count][room][7]
  int64_t room = 0;               // images that there is room for
  float weight = 0;
  float temperature = 1;
};

struct Classify {
  int images = 0;
  int inputs = 0;
  const void* rows = nullptr;      // values [images][inputs]
  const float* weights = nullptr;  // [7][inputs]
  const float* bias = nullptr;     // null: none
  float* logits = nullptr;         // [images][7]

  // Training; null targets: labels, smoothed. Labels are those of the source's rows, or of the images themselves.
  const uint8_t* split_labels = nullptr;  // [rows of the split]; null: `labels`
  const int32_t* order = nullptr;         // as ImageSource's
  const int32_t* first = nullptr;
  const int32_t* labels = nullptr;  // [images]
  const float* targets = nullptr;   // [images][7]
  float label_smoothing = 0;
  TeacherLogits teachers{};
  const float* gradient_scale = nullptr;  // [1]
  float* logit_gradient = nullptr;        // [images][7]
  void* row_gradient = nullptr;           // values [images][inputs]
  float* image_results = nullptr;         // [images][2]: loss, and 1 where the label is what is called

  // Where the rows are ReLU's, and dropout's, of a dense layer: the rows' gradient is that of the layer's outputs.
  bool through_relu = false;
  float kept_scale = 1;
};

// What classify() left, over the images.
struct ClassifySums {
  float* weight_gradient = nullptr;    // [7][inputs]
  float* bias_gradient = nullptr;      // [7]; null: there is none
  float* row_bias_gradient = nullptr;  // [inputs]: the sum of the rows' gradient; null: not asked for
  float* sums = nullptr;               // [2]: of the results
};

// ---- Weights ----

// output[column * rows + row] = sum over the parts [part_count][rows][columns].
struct WeightParts {
  const float* parts = nullptr;
  int part_count = 0;
  int64_t part_stride = 0;  // from part to part
  int rows = 0;             // taps times input channels
  int columns = 0;          // output channels
  float* output = nullptr;
};

class DeviceKernels {
 public:
  DeviceKernels() = default;
  DeviceKernels(const DeviceKernels&) = delete;
  DeviceKernels& operator=(const DeviceKernels&) = delete;
  virtual ~DeviceKernels() = default;

  [[nodiscard]] virtual int value_bytes() const = 0;  // 4: fp32, 2: bfloat16

  virtual void change_images(const ChangedImages& work) = 0;
  virtual void image_convolution(const ImageConvolution& work) = 0;
  virtual void pooled_image_convolution(const PooledImageConvolution& work) = 0;
  [[nodiscard]] virtual int image_gradient_parts(const DeviceExtent& output) const = 0;
  virtual void image_convolution_gradient(const ImageConvolutionGradient& work) = 0;
  [[nodiscard]] virtual int pooled_image_gradient_parts(const DeviceExtent& output) const = 0;
  virtual void pooled_image_convolution_gradient(const PooledImageConvolutionGradient& work) = 0;

  // The depth of weights' gradients and of dense layers is cut where that makes more of it run at once; parts are to be
  // added up.
  virtual void convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) = 0;
  // add: to what is there.
  virtual void convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient,
                                          const void* weights, void* input_gradient, bool add) = 0;
  // parts: [count] of the weights, as WeightGradientParts says.
  [[nodiscard]] virtual WeightGradientParts weight_gradient_parts(const DeviceConvolution& shape) const = 0;
  virtual void convolution_weight_gradient(const DeviceConvolution& shape, const void* input,
                                           const void* output_gradient, float* parts) = 0;
  // parts: [dense_parts(shape)][images][units].
  [[nodiscard]] virtual int dense_parts(const DeviceConvolution& shape) const = 0;
  virtual void dense(const DeviceConvolution& shape, const void* input, const void* weights, float* parts) = 0;
  virtual void sum_weight_parts(std::span<const WeightParts> all) = 0;

  // Floats of working memory for the sums by channel of values of this extent, which all such calls share.
  [[nodiscard]] virtual int64_t channel_sum_parts(const DeviceExtent& extent) const = 0;
  virtual void use_channel_sum_parts(float* parts) = 0;
  virtual void channel_sums(const ChannelSums& work) = 0;
  virtual void normalize(const Normalize& work) = 0;
  virtual void gradient_sums(const GradientSums& work) = 0;
  virtual void gradient_of_values(const GradientOfValues& work) = 0;
  virtual void residual_sum(const ResidualSum& work) = 0;
  // gradient *= output > 0, in place.
  virtual void residual_gradient(const DeviceExtent& extent, const void* output, void* gradient) = 0;

  // to = from, or to += from: values.
  virtual void pass_values(int64_t size, const void* from, void* to, bool add) = 0;

  virtual void pool(const Pooling& shape, const void* input, void* output, uint8_t* winners) = 0;
  virtual void pool_gradient(const Pooling& shape, const void* output_gradient, const uint8_t* winners,
                             void* input_gradient, bool add) = 0;
  virtual void features(const Features& shape, const void* input, void* rows) = 0;
  virtual void features_gradient(const Features& shape, const void* row_gradient, void* input_gradient) = 0;
  virtual void activate_rows(const ActivateRows& work) = 0;
  // gradient: values [images][units], of the output; in place that of the sum of parts and bias. bias_gradient: its sum
  // over the images, null: none.
  virtual void activate_rows_gradient(const ActivateRows& work, void* gradient, float* bias_gradient) = 0;

  virtual void classify(const Classify& work) = 0;
  virtual void classify_gradient(const Classify& work, const ClassifySums& sums) = 0;

  virtual void gradient_clip(const GradientClip& work) = 0;
  virtual void adam(const AdamStep& work) = 0;
  virtual void sgd(const SgdStep& work) = 0;
  virtual void muon_directions(const MuonDirections& work) = 0;
  virtual void muon_filters(const MuonFilters& work) = 0;

  // What was chosen on this device of ways that differ in their last bits, as lines of text, and the same of an earlier
  // run; empty: there was nothing to choose.
  [[nodiscard]] virtual std::string choices() const { return {}; }
  virtual void use_choices(const std::string& /*choices*/) {}
  // For people: whose they are.
  [[nodiscard]] virtual std::string description() const { return "this project's kernels"; }
};

}  // namespace fer_ddp
