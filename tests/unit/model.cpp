#include "model/model.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "core/random.h"
#include "model/weights.h"
#include "network/table.h"
#include "step/input_images.h"

namespace fer_ddp {

namespace {

TEST(SeedCnn, HasTheStudysParameters) {
  const auto model = make_model({});
  int64_t trained = 0;
  int64_t not_trained = 0;
  for (const Parameter& parameter : model->store().parameters()) trained += parameter.value.numel();
  for (const Buffer& buffer : model->buffers()) not_trained += buffer.value.numel();
  EXPECT_EQ(trained + not_trained, 839431);
  EXPECT_EQ(not_trained, 192);
}

TEST(SeedCnn, StartsFromGlorotUniformAndDependsOnTheSeedAlone) {
  const auto first = copy_weights(*make_model({.random_seed = 1}));
  const auto again = copy_weights(*make_model({.random_seed = 1}));
  const auto other = copy_weights(*make_model({.random_seed = 2}));
  EXPECT_EQ(first.at("fc1.weight").values, again.at("fc1.weight").values);
  EXPECT_NE(first.at("fc1.weight").values, other.at("fc1.weight").values);
  const float limit = std::sqrt(6.0F / (6400 + 128));
  float largest = 0;
  for (const float value : first.at("fc1.weight").values) largest = std::max(largest, std::abs(value));
  EXPECT_LE(largest, limit);
  EXPECT_GT(largest, 0.99F * limit);
  for (const float value : first.at("conv1.bias").values) EXPECT_EQ(value, 0.0F);
  for (const float value : first.at("bn1.weight").values) EXPECT_EQ(value, 1.0F);
}

TEST(SeedCnn, AGradientEqualsTheFiniteDifference) {
  const auto model = make_model({.dropout = 0.0, .random_seed = 3});
  std::vector<uint8_t> pixels(4 * 48 * 48);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 24);
  const at::Tensor images = input_images(PixelScale::kUnit, 4, [&](int64_t i) { return pixels.data() + i * 48 * 48; });
  ForwardContext context;
  context.training = true;
  context.sum_statistics = [](auto) {};
  const at::Tensor labels = at::tensor({0, 3, 5, 6}, at::kLong);
  const auto loss = [&] { return at::cross_entropy_loss(model->forward(images, context), labels); };
  model->store().clear_gradients();
  torch::autograd::backward({loss()}, {});
  const auto index = model->store().parameters().back().offset;  // fc2.bias stands first in the buffer
  const double analytic = model->store().gradients()[index];
  const at::NoGradGuard no_grad;
  constexpr float kStep = 1e-2F;
  model->store().weights()[index] += kStep;
  const double above = loss().item<double>();
  model->store().weights()[index] -= 2 * kStep;
  const double below = loss().item<double>();
  EXPECT_NEAR(analytic, (above - below) / (2.0 * kStep), 1e-4);
}

TEST(SeedCnn, DropoutDependsOnTheGlobalPositionAlone) {
  const auto model = make_model({});
  std::vector<uint8_t> pixels(48 * 48, 100);
  const at::Tensor images = input_images(PixelScale::kUnit, 2, [&](int64_t) { return pixels.data(); });
  ForwardContext context;
  context.training = true;
  context.sum_statistics = [](auto) {};
  context.first_position = 10;
  const at::NoGradGuard no_grad;
  const at::Tensor both = model->forward(images, context);
  context.first_position = 11;
  const at::Tensor shifted = model->forward(images, context);
  EXPECT_FALSE(at::equal(both[0], both[1]));
  EXPECT_TRUE(at::allclose(both[1], shifted[0]));
}

// Number n * 2^24 + j of an image's stream decides value j of the n-th dropout layer, a layer without any share
// counted.
TEST(Dropout, GivesEachLayerNumbersOfItsOwn) {
  const Network network = parse_network(
      R"({"layers": [{"max_pool": 24}, {"dropout": 0.25}, {"dropout": 0}, {"flatten": {}}, {"dropout": 0.5},
                     {"dense": 7}]})",
      "table");
  const Model model(network, {.random_seed = 9}, at::kCPU);
  EXPECT_EQ(model.dropped_units(), 4 + 4);
  const at::Tensor kept = model.draw_kept_units(3, 40, 2);
  for (int64_t image = 0; image < 2; ++image) {
    RandomStream stream(9, RandomPurpose::kDropout, 3, static_cast<uint64_t>(40 + image));
    for (int64_t unit = 0; unit < 8; ++unit) {
      if (unit == 4) stream.go_to(uint64_t{2} << 24);
      const float share = unit < 4 ? 0.25F : 0.5F;
      EXPECT_EQ(kept[image][unit].item<int>(), stream.next_uniform() < share ? 0 : 1) << image << " " << unit;
    }
  }
}

TEST(InputImages, AreStandardizedImageByImageByTheHostAndTheDeviceAlike) {
  std::vector<uint8_t> pixels(3 * 48 * 48, 200);  // the last picture stays flat
  for (size_t i = 0; i < 2 * 48 * 48; ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 24);
  const auto gather = [&](int64_t i) { return pixels.data() + i * 48 * 48; };
  const at::Tensor host = input_images(PixelScale::kStandardizeImage, 3, gather);
  const at::Tensor unit = input_images(PixelScale::kUnit, 3, gather);
  const at::Tensor bytes = at::from_blob(pixels.data(), {3, 48, 48}, at::kByte);
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor x = unit[i].to(at::kDouble);
    const at::Tensor expected = (x - x.mean()) / (x.std() + 0.05);
    EXPECT_TRUE(at::allclose(host[i].to(at::kDouble), expected, 1e-5, 1e-5)) << i;
  }
  EXPECT_TRUE(at::allclose(input_images(PixelScale::kStandardizeImage, bytes), host, 1e-5, 1e-5));
  EXPECT_TRUE(at::equal(input_images(PixelScale::kUnit, bytes), unit));
  EXPECT_EQ(host.strides(), input_images(PixelScale::kStandardizeImage, bytes).strides());
}

// What a GPU runs, held against the CPU's kernels: logits, running statistics and every gradient.
TEST(SeedCnn, TensorOperatorsComputeWhatTheKernelsDo) {
  constexpr int64_t kImages = 12;
  std::vector<uint8_t> pixels(kImages * 48 * 48);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 24);
  const at::Tensor images =
      input_images(PixelScale::kUnit, kImages, [&](int64_t i) { return pixels.data() + i * 48 * 48; });
  const at::Tensor labels = at::tensor({0, 3, 5, 6, 1, 2, 3, 4, 5, 6, 0, 1}, at::kLong);
  const auto kernels = make_model({.random_seed = 7});  // where no ReLU and no pool is a matter of rounding
  const auto tensors = make_model({.random_seed = 6});
  set_weights(*tensors, copy_weights(*kernels), "the other model");
  std::vector<at::Tensor> logits;
  for (const auto* model : {&kernels, &tensors}) {
    ForwardContext context{.training = true, .epoch = 2, .first_position = 40, .sum_statistics = [](auto) {}};
    context.tensor_operators = model == &tensors;
    if (context.tensor_operators) context.kept_units = kernels->draw_kept_units(2, 40, kImages);
    for (int step = 0; step < 2; ++step) {
      (*model)->store().clear_gradients();
      const at::Tensor output = (*model)->forward(images, context);
      torch::autograd::backward({at::cross_entropy_loss(output, labels)}, {});
      logits.push_back(output.detach());
    }
    const at::NoGradGuard no_grad;
    logits.push_back((*model)->forward(images, {.tensor_operators = context.tensor_operators}));
  }
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::allclose(logits[i], logits[i + 3], 1e-4, 1e-5)) << i;
  for (size_t i = 0; i < kernels->buffers().size(); ++i)
    EXPECT_TRUE(at::allclose(kernels->buffers()[i].value, tensors->buffers()[i].value, 1e-5, 1e-7)) << i;
  const std::span<const float> expected = kernels->store().gradients();
  const std::span<const float> found = tensors->store().gradients();
  for (const Parameter& parameter : kernels->store().parameters()) {
    float largest = 0;
    float difference = 0;
    for (size_t i = parameter.offset; i < parameter.offset + parameter.size; ++i) {
      largest = std::max(largest, std::abs(expected[i]));
      difference = std::max(difference, std::abs(expected[i] - found[i]));
    }
    EXPECT_LE(difference, 2e-5F * largest + 1e-7F) << parameter.name;
  }
}

// Autocast, as PyTorch users would write it, around the same layers.
class Autocast {
 public:
  Autocast() {
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;
  ~Autocast() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
  }
};

TEST(SeedCnn, RoundsToBf16WhatAutocastRounds) {
  std::vector<uint8_t> pixels(8 * 48 * 48);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 24);
  const at::Tensor images = input_images(PixelScale::kUnit, 8, [&](int64_t i) { return pixels.data() + i * 48 * 48; });
  const at::Tensor labels = at::arange(8, at::kLong).remainder(7);
  ForwardContext context{.training = true, .sum_statistics = [](auto) {}};
  context.tensor_operators = true;
  const auto train = [&](Model& model) {
    model.store().clear_gradients();
    const at::Tensor logits = model.forward(images, context).to(at::kFloat);
    torch::autograd::backward({at::cross_entropy_loss(logits, labels)}, {});
    return logits.detach();
  };
  const auto ours = make_model({.precision = Precision::kBf16});
  const at::Tensor our_logits = train(*ours);
  const auto theirs = make_model({});
  at::Tensor their_logits;
  {
    const Autocast autocast;
    their_logits = train(*theirs);
  }
  EXPECT_TRUE(at::equal(our_logits, their_logits));
  EXPECT_TRUE(at::equal(ours->store().flat_gradients(), theirs->store().flat_gradients()))
      << (ours->store().flat_gradients() - theirs->store().flat_gradients()).abs().max().item<float>();
  const auto full = make_model({});
  EXPECT_FALSE(at::equal(our_logits, train(*full)));
}

TEST(Weights, AreRefusedWhenTheyAreNotTheModels) {
  const auto model = make_model({});
  StoredTensors weights = copy_weights(*model);
  StoredTensors missing = weights;
  missing.erase("fc2.bias");
  EXPECT_THROW(set_weights(*model, missing, "file"), Error);
  StoredTensors reshaped = weights;
  reshaped["fc2.bias"].shape = {1, 7};
  EXPECT_THROW(set_weights(*model, reshaped, "file"), Error);
  weights["extra"] = {{1}, {0}};
  EXPECT_THROW(set_weights(*model, weights, "file"), Error);
}

TEST(Weights, ComeBackThroughEveryMemoryLayout) {
  const auto model = make_model({.random_seed = 5});
  const StoredTensors weights = copy_weights(*model);
  const auto other = make_model({.random_seed = 6});
  set_weights(*other, weights, "copy");
  EXPECT_EQ(copy_weights(*other).at("conv2.weight").values, weights.at("conv2.weight").values);
  EXPECT_TRUE(at::equal(other->store()["conv2.weight"], model->store()["conv2.weight"]));
}

}  // namespace

}  // namespace fer_ddp
