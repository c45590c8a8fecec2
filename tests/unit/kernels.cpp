// The fused loops against LibTorch's separate operators, in fp64 where rounding matters.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <tuple>
#include <vector>

#include "kernels/batch_norm.h"
#include "kernels/instruction_sets.h"
#include "kernels/relu_max_pool.h"
#include "model/batch_norm_layer.h"
#include "model/pooling_layer.h"

namespace fer_ddp {

namespace {

at::Tensor random_images(at::IntArrayRef sizes) { return at::randn(sizes).contiguous(at::MemoryFormat::ChannelsLast); }

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

using Shape = std::vector<int64_t>;

class ReluMaxPoolOf : public ::testing::TestWithParam<std::tuple<Shape, std::string>> {
 protected:
  ReluMaxPoolOf() { use_instruction_set(std::get<1>(GetParam())); }
  ~ReluMaxPoolOf() override { use_instruction_set(""); }
};

TEST_P(ReluMaxPoolOf, EqualsTheSeparateOperatorsForwardAndBackward) {
  const at::Tensor x = random_images(std::get<0>(GetParam())).set_requires_grad(true);
  const at::Tensor y = x.detach().clone().set_requires_grad(true);
  const at::Tensor fused = relu_max_pool(x, false);
  const at::Tensor separate = at::max_pool2d(at::relu(y), {2, 2});
  EXPECT_TRUE(at::equal(fused, separate));
  const at::Tensor gradient = at::randn(fused.sizes());
  torch::autograd::backward({fused}, {gradient});
  torch::autograd::backward({separate}, {gradient});
  EXPECT_TRUE(at::equal(x.grad(), y.grad()));
}

INSTANTIATE_TEST_SUITE_P(Shapes, ReluMaxPoolOf,
                         ::testing::Combine(::testing::Values(Shape{3, 32, 46, 46}, Shape{2, 64, 21, 21},
                                                              Shape{2, 37, 6, 6}, Shape{1, 3, 5, 4}, Shape{2, 1, 3, 3}),
                                            ::testing::ValuesIn(instruction_sets())));

TEST(ReluMaxPool, NanGoesThrough) {
  const at::Tensor x = at::full({1, 4, 2, 2}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(relu_max_pool(x, false).isnan().all().item<bool>());
}

TEST(ReluMaxPool, NoImagesGiveNoImages) {
  const at::Tensor x = at::empty({0, 32, 46, 46}).set_requires_grad(true);
  EXPECT_EQ(relu_max_pool(x, false).sizes().vec(), (std::vector<int64_t>{0, 32, 23, 23}));
}

// With the seed CNN's options.
BatchNormState fresh_state(int64_t channels) {
  return {.weight = at::rand({channels}).set_requires_grad(true),
          .bias = at::randn({channels}).set_requires_grad(true),
          .running_mean = at::zeros({channels}),
          .running_var = at::ones({channels}),
          .options = {.epsilon = 1e-3, .momentum = 0.01, .unbiased_variance = false}};
}

TEST(BatchNorm, EqualsFp64AutogradForwardAndBackward) {
  const at::Tensor x =
      (random_images({5, 37, 7, 9}) * 3 + 10).contiguous(at::MemoryFormat::ChannelsLast).set_requires_grad(true);
  BatchNormState state = fresh_state(37);
  ForwardContext context;
  context.training = true;
  context.sum_statistics = [](auto) {};
  const at::Tensor y = batch_norm(x, state, context);
  const at::Tensor gradient = at::randn(y.sizes());
  torch::autograd::backward({y}, {gradient});

  const at::Tensor reference_x = x.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor reference_weight = state.weight.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor reference_bias = state.bias.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor mean = reference_x.mean({0, 2, 3}, true);
  const at::Tensor variance = (reference_x - mean).pow(2).mean({0, 2, 3}, true);
  const at::Tensor reference = (reference_x - mean) / (variance + 1e-3).sqrt() * reference_weight.view({1, -1, 1, 1}) +
                               reference_bias.view({1, -1, 1, 1});
  torch::autograd::backward({reference}, {gradient.to(at::kDouble)});

  EXPECT_LT(largest_difference(y, reference), 1e-5);
  EXPECT_LT(largest_difference(x.grad(), reference_x.grad()), 1e-5);
  EXPECT_LT(largest_difference(state.weight.grad(), reference_weight.grad()), 1e-4);
  EXPECT_LT(largest_difference(state.bias.grad(), reference_bias.grad()), 1e-4);
  EXPECT_LT(largest_difference(state.running_mean, mean.flatten() * 0.01), 1e-6);
  EXPECT_LT(largest_difference(state.running_var, variance.flatten() * 0.01 + 0.99), 1e-6);
}

TEST(BatchNorm, InferenceUsesTheRunningStatistics) {
  BatchNormState state = fresh_state(8);
  state.running_mean.fill_(2.0);
  state.running_var.fill_(4.0);
  const at::Tensor x = random_images({2, 8, 3, 3});
  const at::Tensor expected =
      (x - 2.0) / std::sqrt(4.001) * state.weight.view({1, -1, 1, 1}) + state.bias.view({1, -1, 1, 1});
  EXPECT_LT(largest_difference(batch_norm(x, state, {}), expected.detach()), 1e-6);
}

}  // namespace

}  // namespace fer_ddp
