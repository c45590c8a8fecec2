// The fused network against fp64 autograd that takes the same winners in each pooling window: those are a matter of
// rounding where two values are equal, and everything else follows from them smoothly.
#include "step/fused/fused_network.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "kernels/instruction_sets.h"
#include "model/model.h"
#include "tests/faces.h"

namespace fer_ddp {

namespace {

constexpr double kDropout = 0.25;
constexpr double kSmoothing = 0.1;
constexpr double kTeachersWeight = 0.3;

// Of each image, a distribution of its own.
std::vector<float> teachers_probabilities(int64_t images) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
  const at::Tensor shares = at::softmax(at::randn({images, kExpressionCount}, generator) * 2, 1).contiguous();
  return {shares.const_data_ptr<float>(), shares.const_data_ptr<float>() + shares.numel()};
}

// The model's parameters drawn anew, so that none is zero or one.
std::unique_ptr<Model> restless_model() {
  auto model = make_model({});
  const at::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  for (const Parameter& parameter : model->store().parameters()) {
    if (parameter.name.find("conv") == 0 && parameter.value.dim() == 4) continue;
    if (parameter.name == "fc1.weight" || parameter.name == "fc2.weight") continue;
    at::Tensor(parameter.value).uniform_(-0.4, 0.6, generator);
  }
  return model;
}

struct Step {
  std::vector<float> weights = std::vector<float>(fused_layout::kSize);
  std::vector<float> gradients = std::vector<float>(fused_layout::kSize);
  std::vector<float> running_mean1 = std::vector<float>(32), running_var1 = std::vector<float>(32, 1.0F);
  std::vector<float> running_mean2 = std::vector<float>(64), running_var2 = std::vector<float>(64, 1.0F);
  std::vector<uint8_t> kept;
  std::unique_ptr<FusedNetwork> network;
  FusedResult result;

  Step(const Model& model, const Faces& faces, bool has_teachers = false) {
    const FusedLayout layout(model.store());
    const at::Tensor& stored = const_cast<Model&>(model).store().flat_weights();
    layout.to_fused({stored.const_data_ptr<float>(), model.store().size()}, weights);
    const auto images = static_cast<int64_t>(faces.rows.size());
    network = std::make_unique<FusedNetwork>(
        FusedOptions{
            .dropout = kDropout, .label_smoothing = kSmoothing, .most_images = images, .changes_images = has_teachers},
        weights, gradients, FusedNetwork::Running{running_mean1, running_var1, running_mean2, running_var2});
    for (int64_t i = 0; i < images * 128; ++i) kept.push_back(i * 7 % 4 == 0 ? 0 : 1);
    BatchShare share = faces.batch();
    const std::vector<float> said = teachers_probabilities(images);
    if (has_teachers) share.teachers = {.probabilities = said, .weight = kTeachersWeight};
    const ShareImages changed(share, PixelScale::kUnit, kSmoothing);
    const FusedBatch batch{.images = faces.images,
                           .labels = faces.labels,
                           .rows = faces.rows,
                           .global_images = images,
                           .kept = kept,
                           .changed = has_teachers ? &changed : nullptr};
    const std::span<double> first = network->first_block(batch);
    result = network->dense_layers(network->second_block(first, images), images);
    network->second_block_gradient(network->dense_sums(), images);
    network->finish_second_gradient(images);
    network->first_block_gradient();
  }
};

// ReLU and max-pooling that take the given winners.
at::Tensor pool(const at::Tensor& x, std::span<const uint8_t> winners) {
  const int64_t images = x.size(0);
  const int64_t channels = x.size(1);
  const int64_t side = x.size(2) / 2;
  const at::Tensor codes =
      at::from_blob(const_cast<uint8_t*>(winners.data()), {images, side, side, channels}, at::kByte)
          .permute({0, 3, 1, 2})
          .to(at::kLong);
  const at::Tensor windows = x.slice(2, 0, 2 * side)
                                 .slice(3, 0, 2 * side)
                                 .reshape({images, channels, side, 2, side, 2})
                                 .permute({0, 1, 2, 4, 3, 5})
                                 .reshape({images, channels, side, side, 4});
  return windows.gather(4, codes.clamp_max(3).unsqueeze(4)).squeeze(4) * (codes < 4).to(x.scalar_type());
}

struct Reference {
  std::map<std::string, at::Tensor> parameters;
  double loss = 0;

  at::Tensor& operator[](const std::string& name) { return parameters.at(name); }

  at::Tensor normalize(const at::Tensor& x, const std::string& name) {
    return at::batch_norm(x, parameters.at(name + ".weight"), parameters.at(name + ".bias"), {}, {}, true, 0.0, 1e-3,
                          false);
  }

  Reference(const Model& model, const Faces& faces, const Step& step, bool has_teachers = false) {
    for (const Parameter& parameter : model.store().parameters())
      parameters[parameter.name] = parameter.value.detach().to(at::kDouble).requires_grad_(true);
    const auto images = static_cast<int64_t>(faces.rows.size());
    at::Tensor x = at::from_blob(const_cast<uint8_t*>(faces.images.data()), {images, 1, 48, 48}, at::kByte)
                       .to(at::kDouble)
                       .div(255);
    x = normalize(pool(at::conv2d(x, (*this)["conv1.weight"], (*this)["conv1.bias"]), step.network->first_winners()),
                  "bn1");
    x = normalize(pool(at::conv2d(x, (*this)["conv2.weight"], (*this)["conv2.bias"]), step.network->second_winners()),
                  "bn2");
    x = at::linear(x.flatten(1), (*this)["fc1.weight"], (*this)["fc1.bias"]).relu();
    const at::Tensor kept = at::from_blob(const_cast<uint8_t*>(step.kept.data()), {images, 128}, at::kByte);
    x = at::linear(x * kept.to(at::kDouble) / (1 - kDropout), (*this)["fc2.weight"], (*this)["fc2.bias"]);
    const at::Tensor labels =
        at::from_blob(const_cast<uint8_t*>(faces.labels.data()), {images}, at::kByte).to(at::kLong);
    at::Tensor sum = at::cross_entropy_loss(x, labels, {}, at::Reduction::Sum, -100, kSmoothing);
    if (has_teachers) {
      std::vector<float> said = teachers_probabilities(images);
      const at::Tensor second = at::from_blob(said.data(), {images, kExpressionCount}, at::kFloat).to(at::kDouble);
      sum = (1 - kTeachersWeight) * sum - kTeachersWeight * (second * at::log_softmax(x, 1)).sum();
    }
    loss = sum.item<double>();
    torch::autograd::backward({sum / static_cast<double>(images)}, {});
  }
};

// Images, and the largest error of a gradient as a share of its tensor's largest. Statistics over one or five images
// magnify the forward pass' rounding.
struct Case {
  int images;
  double tolerance;
};

class FusedNetworkOver : public ::testing::TestWithParam<std::tuple<Case, std::string>> {
 public:
  FusedNetworkOver() { use_instruction_set(std::get<1>(GetParam())); }
  ~FusedNetworkOver() override { use_instruction_set(""); }
};

void expect_gradients_of_fp64(const Case& over, bool has_teachers) {
  const auto model = restless_model();
  const Faces faces = Faces::noise(over.images);
  const Step step(*model, faces, has_teachers);
  Reference reference(*model, faces, step, has_teachers);
  EXPECT_NEAR(step.result.loss, reference.loss, 1e-5 * reference.loss);
  std::vector<float> stored(model->store().size());
  FusedLayout(model->store()).to_stored(step.gradients, stored);
  for (const Parameter& parameter : model->store().parameters()) {
    const at::Tensor gradient =
        at::from_blob(stored.data() + parameter.offset, parameter.value.sizes(), parameter.value.strides(), at::kFloat);
    const at::Tensor expected = reference[parameter.name].grad();
    const double largest = expected.abs().max().item<double>();
    EXPECT_LT((gradient.to(at::kDouble) - expected).abs().max().item<double>(), over.tolerance * largest)
        << parameter.name;
  }
}

TEST_P(FusedNetworkOver, HasTheGradientsOfFp64AutogradWithTheSameWinners) {
  expect_gradients_of_fp64(std::get<0>(GetParam()), false);
}

TEST_P(FusedNetworkOver, HasThoseOfTheLossAgainstTeachersToo) {
  expect_gradients_of_fp64(std::get<0>(GetParam()), true);
}

INSTANTIATE_TEST_SUITE_P(All, FusedNetworkOver,
                         ::testing::Combine(::testing::Values(Case{1, 5e-4}, Case{5, 1e-4}, Case{16, 2e-5},
                                                              Case{33, 2e-5}, Case{128, 2e-5}),
                                            ::testing::ValuesIn(instruction_sets())),
                         [](const auto& test) {
                           return std::to_string(std::get<0>(test.param).images) + "_images_" + std::get<1>(test.param);
                         });

}  // namespace

}  // namespace fer_ddp
