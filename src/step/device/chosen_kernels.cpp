#include "step/device/chosen_kernels.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "core/text.h"

namespace fer_ddp {

namespace {

constexpr int kMeasurements = 3;  // of which the shortest counts, behind one that is not measured

double operations_of(const DeviceConvolution& shape) {
  return 2.0 * static_cast<double>(shape.output.positions()) * static_cast<double>(shape.weights());
}

DeviceConvolution convolution_of(const Layer& layer, int images) {
  const auto& options = std::get<layer::Convolution>(layer.kind);
  const auto extent = [images](const FeatureShape& shape) {
    return DeviceExtent{images, static_cast<int>(shape.height), static_cast<int>(shape.width),
                        static_cast<int>(shape.channels)};
  };
  return {.input = extent(layer.input),
          .output = extent(layer.output),
          .kernel = static_cast<int>(options.kernel),
          .stride = static_cast<int>(options.stride),
          .padding = static_cast<int>(options.padding)};
}

double shortest(DeviceRuntime& runtime, const std::function<void()>& work) {
  static_cast<void>(runtime.seconds_of(work));
  double best = runtime.seconds_of(work);
  for (int i = 1; i < kMeasurements; ++i) best = std::min(best, runtime.seconds_of(work));
  return best;
}

}  // namespace

std::vector<DeviceConvolution> large_convolutions(const StagePlan& plan, int images, double fewest_operations) {
  std::vector<DeviceConvolution> found;
  for (const StageSpec& spec : plan.stages) {
    if (spec.kind != StageSpec::Kind::kConvolution || spec.input == StageSpec::kImages) continue;
    const DeviceConvolution shape = convolution_of(*spec.layer, images);
    if (operations_of(shape) >= fewest_operations) found.push_back(shape);
  }
  return found;
}

ChosenKernels::ChosenKernels(std::unique_ptr<DeviceKernels> kernels, at::Device device, std::string device_name)
    : ForwardedKernels(std::move(kernels)),
      library_(device, kernels_->value_bytes()),
      device_name_(std::move(device_name)) {}

// By all that a kernel's time and result depend on, but for the images: a run's last batch is smaller.
std::string ChosenKernels::name_of(Pass pass, const DeviceConvolution& shape) {
  constexpr std::array<const char*, 3> kNames = {"forward", "input gradient", "weight gradient"};
  return fmt::format("{} {}x{}x{} to {}x{}x{}, {}x{} by {}", kNames[static_cast<size_t>(pass)], shape.input.height,
                     shape.input.width, shape.input.channels, shape.output.height, shape.output.width,
                     shape.output.channels, shape.kernel, shape.kernel, shape.stride);
}

bool ChosenKernels::is_librarys(Pass pass, const DeviceConvolution& shape) const {
  return !librarys_.empty() && librarys_.contains(name_of(pass, shape));
}

void ChosenKernels::measure(std::span<const DeviceConvolution> shapes, DeviceRuntime& runtime) {
  std::set<std::string> known;
  for (const DeviceConvolution& shape : shapes)
    if (known.insert(name_of(Pass::kForward, shape)).second) measure(shape, runtime);
}

void ChosenKernels::measure(const DeviceConvolution& shape, DeviceRuntime& runtime) {
  const at::TensorOptions floats = at::TensorOptions(at::kFloat).device(runtime.device());
  const at::ScalarType type = value_bytes() == 2 ? at::kBFloat16 : at::kFloat;
  // Random: a GPU is quicker on zeros.
  const auto values = [&](int64_t count) { return at::rand({count}, floats).to(type); };
  const at::Tensor x = values(shape.input.size());
  const at::Tensor y = values(shape.output.size());
  const at::Tensor w = values(shape.weights());
  const WeightGradientParts parts = kernels_->weight_gradient_parts(shape);
  const at::Tensor gradient = at::empty({shape.weights()}, floats);
  const at::Tensor room = at::empty({parts.count * shape.weights()}, floats);
  const auto size = static_cast<int>(shape.weights());
  const int rows = parts.is_turned ? size / shape.output.channels : 1;
  const WeightParts sum{.parts = room.const_data_ptr<float>(),
                        .part_count = parts.count,
                        .part_stride = size,
                        .rows = rows,
                        .columns = size / rows,
                        .output = gradient.data_ptr<float>()};
  const auto choose = [&](Pass pass, const std::function<void()>& own, const std::function<void()>& librarys) {
    if (shortest(runtime, librarys) < shortest(runtime, own)) librarys_.insert(name_of(pass, shape));
  };
  choose(
      Pass::kForward, [&] { kernels_->convolution(shape, x.data_ptr(), w.data_ptr(), y.data_ptr()); },
      [&] { library_.convolution(shape, x.data_ptr(), w.data_ptr(), y.data_ptr()); });
  choose(
      Pass::kWeightGradient,
      [&] {
        kernels_->convolution_weight_gradient(shape, x.data_ptr(), y.data_ptr(), room.data_ptr<float>());
        kernels_->sum_weight_parts({&sum, 1});
      },
      [&] { library_.weight_gradient(shape, x.data_ptr(), y.data_ptr(), gradient.data_ptr<float>()); });
  choose(
      Pass::kInputGradient,
      [&] { kernels_->convolution_input_gradient(shape, y.data_ptr(), w.data_ptr(), x.data_ptr(), false); },
      [&] { library_.input_gradient(shape, y.data_ptr(), w.data_ptr(), x.data_ptr(), false); });
}

std::string ChosenKernels::choices() const {
  std::string text = device_name_;
  for (const std::string& name : librarys_) text += "\n" + name;
  return text;
}

void ChosenKernels::use_choices(const std::string& choices) {
  const std::vector<std::string_view> lines = lines_of(choices);
  if (lines.empty() || lines.front() != device_name_) return;
  librarys_ = {lines.begin() + 1, lines.end()};
}

void ChosenKernels::convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) {
  if (is_librarys(Pass::kForward, shape))
    library_.convolution(shape, input, weights, output);
  else
    kernels_->convolution(shape, input, weights, output);
}

void ChosenKernels::convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient,
                                               const void* weights, void* input_gradient, bool add) {
  if (is_librarys(Pass::kInputGradient, shape))
    library_.input_gradient(shape, output_gradient, weights, input_gradient, add);
  else
    kernels_->convolution_input_gradient(shape, output_gradient, weights, input_gradient, add);
}

WeightGradientParts ChosenKernels::weight_gradient_parts(const DeviceConvolution& shape) const {
  if (is_librarys(Pass::kWeightGradient, shape)) return {.count = 1, .is_turned = false};
  return kernels_->weight_gradient_parts(shape);
}

void ChosenKernels::convolution_weight_gradient(const DeviceConvolution& shape, const void* input,
                                                const void* output_gradient, float* parts) {
  if (is_librarys(Pass::kWeightGradient, shape))
    library_.weight_gradient(shape, input, output_gradient, parts);
  else
    kernels_->convolution_weight_gradient(shape, input, output_gradient, parts);
}

}  // namespace fer_ddp
