#include "step/device/chosen_kernels.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <utility>

#include "core/text.h"
#include "step/device/kernel_surroundings.h"

namespace fer_ddp {

namespace {

constexpr double kClearlyQuicker = 0.95;  // of the other's time
constexpr int kPasses = 3;

// Infinite where LibTorch has no way to run it here: a library of cuDNN's that is not there, or too little memory.
double seconds_of_library(DeviceRuntime& runtime, const std::function<void()>& work) {
  try {
    return runtime.seconds_of(work);
  } catch (const c10::Error&) {
    return std::numeric_limits<double>::infinity();
  }
}

// The passes of one convolution, both ways.
class MeasuredPasses {
 public:
  MeasuredPasses(const DeviceConvolution& shape, DeviceKernels& kernels, const LibraryConvolutions& library,
                 DeviceRuntime& runtime)
      : shape_(shape), kernels_(kernels), library_(library), runtime_(runtime) {
    const at::TensorOptions floats = at::TensorOptions(at::kFloat).device(runtime.device());
    const at::ScalarType type = kernels.value_bytes() == 2 ? at::kBFloat16 : at::kFloat;
    // Random: a GPU is quicker on zeros.
    const auto values = [&](int64_t count) { return at::rand({count}, floats).to(type); };
    x_ = values(shape.input.size());
    y_ = values(shape.output.size());
    w_ = values(shape.weights());
    gradient_ = at::empty({shape.weights()}, floats);
    parts_ = at::empty({kernels.weight_gradient_parts(shape).count * shape.weights()}, floats);
  }

  // As ChosenKernels::measure() says, forward, input gradient, weight gradient.
  void add_to(std::vector<double>& seconds) const {
    const auto measure = [&](const std::function<void()>& own, const std::function<void()>& librarys) {
      seconds.push_back(runtime_.seconds_of(own));
      seconds.push_back(seconds_of_library(runtime_, librarys));
    };
    measure([&] { kernels_.convolution(shape_, x_.data_ptr(), w_.data_ptr(), y_.data_ptr()); },
            [&] { library_.convolution(shape_, x_.data_ptr(), w_.data_ptr(), y_.data_ptr()); });
    measure([&] { kernels_.convolution_input_gradient(shape_, y_.data_ptr(), w_.data_ptr(), x_.data_ptr(), false); },
            [&] { library_.input_gradient(shape_, y_.data_ptr(), w_.data_ptr(), x_.data_ptr(), false); });
    measure([&] { weight_gradient(); },
            [&] { library_.weight_gradient(shape_, x_.data_ptr(), y_.data_ptr(), gradient_.data_ptr<float>()); });
  }

 private:
  // With the sum of its parts, where a step has them.
  void weight_gradient() const {
    kernels_.convolution_weight_gradient(shape_, x_.data_ptr(), y_.data_ptr(), parts_.data_ptr<float>());
    const WeightGradientParts parts = kernels_.weight_gradient_parts(shape_);
    if (is_gradient_itself(parts)) return;
    const WeightParts sum = sum_of_parts(shape_, parts, parts_.const_data_ptr<float>(), gradient_.data_ptr<float>());
    kernels_.sum_weight_parts({&sum, 1});
  }

  const DeviceConvolution& shape_;
  DeviceKernels& kernels_;
  const LibraryConvolutions& library_;
  DeviceRuntime& runtime_;
  at::Tensor x_, y_, w_, gradient_, parts_;
};

}  // namespace

std::vector<DeviceConvolution> large_convolutions(const StagePlan& plan, int images, double fewest_operations) {
  std::vector<DeviceConvolution> found;
  for (const StageSpec& spec : plan.stages) {
    if (spec.kind != StageSpec::Kind::kConvolution || spec.input == StageSpec::kImages) continue;
    const DeviceConvolution shape = convolution_of(*spec.layer, images);
    if (shape.operations() >= fewest_operations) found.push_back(shape);
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

// What the head computes as convolutions of images of one position stays this project's.
bool ChosenKernels::is_library_pass(Pass pass, const DeviceConvolution& shape) const {
  if (has_library_all_) return shape.input.height * shape.input.width > 1;
  return !library_passes_.empty() && library_passes_.contains(name_of(pass, shape));
}

std::vector<double> ChosenKernels::measure(std::span<const DeviceConvolution> shapes, DeviceRuntime& runtime) const {
  std::map<std::string, std::vector<double>> known;
  std::vector<double> all;
  for (const DeviceConvolution& shape : shapes) {
    std::vector<double>& seconds = known[name_of(Pass::kForward, shape)];
    if (seconds.empty()) MeasuredPasses(shape, *kernels_, library_, runtime).add_to(seconds);
    all.insert(all.end(), seconds.begin(), seconds.end());
  }
  return all;
}

void ChosenKernels::choose(std::span<const DeviceConvolution> shapes, std::span<const double> seconds) {
  for (size_t i = 0; i < shapes.size() * kPasses; ++i)
    if (seconds[2 * i + 1] < kClearlyQuicker * seconds[2 * i])
      library_passes_.insert(name_of(static_cast<Pass>(i % kPasses), shapes[i / kPasses]));
}

std::string ChosenKernels::choices() const {
  if (has_library_all_) return {};
  std::string text = device_name_;
  for (const std::string& name : library_passes_) text += "\n" + name;
  return text;
}

void ChosenKernels::use_choices(const std::string& choices) {
  const std::vector<std::string_view> lines = lines_of(choices);
  if (lines.empty() || lines.front() != device_name_) return;
  library_passes_ = {lines.begin() + 1, lines.end()};
}

std::string ChosenKernels::description() const {
  if (has_library_all_) return "this project's kernels, but for convolutions by LibTorch's operators";
  if (library_passes_.empty()) return kernels_->description();
  return fmt::format(
      "this project's kernels, but for {} pass{} of large convolutions by LibTorch's operators, which were quicker",
      library_passes_.size(), library_passes_.size() == 1 ? "" : "es");
}

void ChosenKernels::convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) {
  if (is_library_pass(Pass::kForward, shape))
    library_.convolution(shape, input, weights, output);
  else
    kernels_->convolution(shape, input, weights, output);
}

void ChosenKernels::convolution_input_gradient(const DeviceConvolution& shape, const void* output_gradient,
                                               const void* weights, void* input_gradient, bool add) {
  if (is_library_pass(Pass::kInputGradient, shape))
    library_.input_gradient(shape, output_gradient, weights, input_gradient, add);
  else
    kernels_->convolution_input_gradient(shape, output_gradient, weights, input_gradient, add);
}

WeightGradientParts ChosenKernels::weight_gradient_parts(const DeviceConvolution& shape) const {
  if (is_library_pass(Pass::kWeightGradient, shape)) return {.count = 1, .is_turned = false};
  return kernels_->weight_gradient_parts(shape);
}

void ChosenKernels::convolution_weight_gradient(const DeviceConvolution& shape, const void* input,
                                                const void* output_gradient, float* parts) {
  if (is_library_pass(Pass::kWeightGradient, shape))
    library_.weight_gradient(shape, input, output_gradient, parts);
  else
    kernels_->convolution_weight_gradient(shape, input, output_gradient, parts);
}

}  // namespace fer_ddp
