// Networks beyond their text: the built-in ones, their tensors, how these start, and what each engine says.
#include "network/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "network/engine_plan.h"
#include "network/table.h"
#include "network/tensors.h"

namespace fer_ddp {

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

int64_t parameters_of(const Network& network) {
  int64_t parameters = 0;
  for (const NetworkTensor& tensor : network_tensors(network)) parameters += tensor.size();
  return parameters;
}

Network with_layers(const std::string& layers) { return parse_network("{\"layers\": [" + layers + "]}", "table"); }

NetworkTensor tensor_of(const Network& network, const std::string& name) {
  for (const NetworkTensor& tensor : network_tensors(network))
    if (tensor.name == name) return tensor;
  ADD_FAILURE() << "no tensor " << name;
  return {};
}

std::vector<float> start(const NetworkTensor& tensor, Initialization initialization, uint64_t seed = 0) {
  std::vector<float> values(static_cast<size_t>(tensor.size()));
  initialize(tensor, initialization, seed, values);
  return values;
}

TEST(BuiltInNetworks, AreThoseOfTheFolder) {
  std::vector<std::string> names;
  for (const BuiltInTable& table : built_in_tables()) {
    names.emplace_back(table.name);
    EXPECT_EQ(load_network(table.name).name, table.name);
  }
  EXPECT_THAT(names,
              ElementsAre("seed_cnn", "resnet18", "vgg7_16", "vgg7_32", "vgg8", "vgg8_16", "vgg8_32", "vgg8_wide"));
}

// With BatchNorm's running statistics: PyTorch's count of the same networks, its batch counters aside.
TEST(BuiltInNetworks, HaveTheParametersOfTheirDefinitions) {
  EXPECT_EQ(parameters_of(load_network("seed_cnn")), 839'431);
  const auto vgg = [](const std::vector<int64_t>& widths) {
    int64_t parameters = 0;
    int64_t channels = 1;
    for (const int64_t width : widths) {
      parameters += 9 * channels * width + 9 * width * width + 2 * 4 * width;
      channels = width;
    }
    return parameters + 7 * channels + 7;
  };
  EXPECT_EQ(parameters_of(load_network("vgg8_16")), vgg({16, 32, 64, 128}));
  EXPECT_EQ(parameters_of(load_network("vgg7_16")), vgg({16, 32, 64, 128}) - 9 * 16 * 16 - 4 * 16);
  EXPECT_EQ(parameters_of(load_network("vgg7_32")), vgg({32, 64, 128, 256}) - 9 * 32 * 32 - 4 * 32);
  EXPECT_EQ(parameters_of(load_network("vgg8_32")), vgg({32, 64, 128, 256}));
  EXPECT_EQ(parameters_of(load_network("vgg8")), vgg({64, 128, 256, 512}));
  EXPECT_EQ(parameters_of(load_network("vgg8_wide")), vgg({96, 192, 384, 512}));
  // torchvision's ResNet-18 of 11,689,512: its first convolution of 7 x 7 x 3 and its 1000 classes replaced, and
  // 9,600 running statistics.
  EXPECT_EQ(parameters_of(load_network("resnet18")),
            11'689'512 - 64 * 7 * 7 * 3 + 64 * 9 - 513 * 1000 + 513 * 7 + 9'600);
}

TEST(BuiltInNetworks, TheSeedCnnKeepsItsNamesAndLayouts) {
  std::vector<std::string> tensors;
  for (const NetworkTensor& tensor : network_tensors(load_network("seed_cnn"))) {
    std::string text = tensor.name;
    for (const int64_t extent : tensor.shape) text += " " + std::to_string(extent);
    tensors.push_back(text + (tensor.trained ? "" : " not trained"));
  }
  EXPECT_THAT(tensors, ElementsAre("conv1.weight 32 1 3 3", "conv1.bias 32", "bn1.weight 32", "bn1.bias 32",
                                   "bn1.running_mean 32 not trained", "bn1.running_var 32 not trained",
                                   "conv2.weight 64 32 3 3", "conv2.bias 64", "bn2.weight 64", "bn2.bias 64",
                                   "bn2.running_mean 64 not trained", "bn2.running_var 64 not trained",
                                   "fc1.weight 128 6400", "fc1.bias 128", "fc2.weight 7 128", "fc2.bias 7"));
}

TEST(ProductFlop, IsTwoForEachWeightAndPosition) {
  const Network network = load_network("seed_cnn");
  EXPECT_EQ(product_flop(network.layers[0]), 2.0 * 9 * 32 * 46 * 46);
  EXPECT_EQ(product_flop(network.layers[9]), 2.0 * 6400 * 128);
  EXPECT_EQ(product_flop(network.layers[1]), 0);
}

TEST(Tensors, OfABatchNormWithoutScaleKeepAWeightOfOnesThatIsNotTrained) {
  const Network network =
      with_layers(R"({"batch_norm": {"scale": false}}, {"global_average_pool": {}}, {"dense": 7, "bias": false})");
  const NetworkTensor weight = tensor_of(network, "bn1.weight");
  EXPECT_FALSE(weight.trained);
  EXPECT_EQ(start(weight, Initialization::kUniformFanIn), std::vector<float>{1.0F});
  EXPECT_TRUE(tensor_of(network, "bn1.bias").trained);
  EXPECT_EQ(network_tensors(network).size(), 5U);  // and fc1.weight, no bias
}

TEST(Initialize, GlorotUniformFillsItsRangeAndLeavesBiasesZero) {
  const Network network = load_network("seed_cnn");
  const std::vector<float> weights = start(tensor_of(network, "fc1.weight"), Initialization::kGlorotUniform);
  const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
  const float limit = std::sqrt(6.0F / (6400 + 128));
  EXPECT_GE(*low, -limit);
  EXPECT_LE(*high, limit);
  EXPECT_LT(*low, -0.99F * limit);
  EXPECT_GT(*high, 0.99F * limit);
  const NetworkTensor kernels = tensor_of(network, "conv2.weight");
  EXPECT_EQ(kernels.fan_in, 288);
  EXPECT_EQ(kernels.fan_out, 576);
  for (const float value : start(tensor_of(network, "conv2.bias"), Initialization::kGlorotUniform)) EXPECT_EQ(value, 0);
}

TEST(Initialize, UniformFanInDrawsBiasesToo) {
  const Network network = load_network("seed_cnn");
  const std::vector<float> biases = start(tensor_of(network, "conv2.bias"), Initialization::kUniformFanIn);
  const float limit = 1.0F / std::sqrt(288.0F);
  float largest = 0;
  for (const float value : biases) largest = std::max(largest, std::abs(value));
  EXPECT_LE(largest, limit);
  EXPECT_GT(largest, 0.9F * limit);
  for (const float value : start(tensor_of(network, "bn2.weight"), Initialization::kUniformFanIn)) EXPECT_EQ(value, 1);
  for (const float value : start(tensor_of(network, "bn2.bias"), Initialization::kUniformFanIn)) EXPECT_EQ(value, 0);
}

TEST(Initialize, GoesByALayersNameSoThatALayerInFrontChangesNobodysNumbers) {
  const Network plain = with_layers(R"({"convolution": 4, "name": "a"}, {"flatten": {}}, {"dense": 7, "name": "b"})");
  const Network longer = with_layers(
      R"({"convolution": 1, "name": "new", "padding": 1}, {"convolution": 4, "name": "a"}, {"flatten": {}},
         {"dense": 7, "name": "b"})");
  for (const char* name : {"a.weight", "b.weight", "b.bias"})
    EXPECT_EQ(start(tensor_of(plain, name), Initialization::kUniformFanIn),
              start(tensor_of(longer, name), Initialization::kUniformFanIn));
  EXPECT_NE(start(tensor_of(plain, "b.weight"), Initialization::kUniformFanIn, 1),
            start(tensor_of(plain, "b.weight"), Initialization::kUniformFanIn, 2));
  // Written down, so that no build draws others: the first of the stream of FNV-1a("b.bias").
  EXPECT_EQ(start(tensor_of(plain, "b.bias"), Initialization::kGlorotUniform), std::vector<float>(7, 0.0F));
}

TEST(EnginePlans, NameAKernelForEachLayerOrTheLayerThatIsInTheWay) {
  for (const BuiltInTable& table : built_in_tables()) {
    const Network network = load_network(table.name);
    size_t layers = 0;
    for_each_layer(network.layers, [&](const Layer&) { ++layers; });
    for (const EnginePlan& plan : engine_plans(network)) {
      EXPECT_EQ(plan.kernels.size(), plan.refusal.empty() ? layers : 0) << table.name << " by " << plan.engine;
      EXPECT_FALSE(plan.sameness.empty());
    }
  }
}

TEST(FusedPlan, TakesTheSeedCnnWithAnyShareOfDropout) {
  EXPECT_EQ(fused_plan(load_network("seed_cnn")).refusal, "");
  std::string table(built_in_tables().front().text);
  table.replace(table.find("0.5"), 3, "0.1");
  EXPECT_EQ(fused_plan(parse_network(table, "table")).refusal, "");
}

TEST(FusedPlan, TakesEveryBuiltInTable) {
  for (const BuiltInTable& table : built_in_tables()) EXPECT_EQ(fused_plan(load_network(table.name)).refusal, "");
}

TEST(FusedPlan, SaysWhichLayerMatchesNoStage) {
  std::string table(built_in_tables().front().text);
  table.replace(table.find("\"convolution\": 64"), 17, "\"convolution\": 63");
  EXPECT_THAT(fused_plan(parse_network(table, "table")).refusal,
              HasSubstr("layer 5 (convolution) has channels that are no multiple of 16"));
  const auto refusal = [](const std::string& layers) { return fused_plan(with_layers(layers.c_str())).refusal; };
  const std::string end = R"(, {"global_average_pool": {}}, {"dense": 7})";
  const std::string convolution = R"({"convolution": 32}, {"relu": {}})";
  EXPECT_THAT(refusal(R"({"convolution": 32}, {"flatten": {}}, {"dense": 7})"), HasSubstr("layer 2 (flatten)"));
  EXPECT_THAT(refusal(R"({"max_pool": 4}, {"flatten": {}}, {"dense": 7})"), HasSubstr("layer 1 (max_pool)"));
  EXPECT_THAT(refusal(R"({"flatten": {}}, {"dense": 7})"), HasSubstr("layer 1 (flatten)"));
  EXPECT_THAT(refusal(convolution + R"(, {"convolution": 32, "kernel": 5})" + end), HasSubstr("layer 3 (convolution)"));
  EXPECT_THAT(refusal(convolution + R"(, {"dropout": 0.5})" + end), HasSubstr("layer 3 (dropout)"));
  EXPECT_THAT(refusal(convolution + R"(, {"max_pool": 3})" + end), HasSubstr("layer 3 (max_pool)"));
  EXPECT_THAT(refusal(convolution + R"(, {"residual": [{"convolution": 32, "padding": 1}]})" + end),
              HasSubstr("layer 3 (residual) has no ReLU behind it"));
  EXPECT_THAT(
      refusal(convolution + R"(, {"residual": [{"relu": {}}, {"convolution": 32, "padding": 1}]}, {"relu": {}})" + end),
      HasSubstr("layer 3.1 (relu)"));
  EXPECT_THAT(refusal(convolution + R"(, {"global_average_pool": {}}, {"dense": 20}, {"dense": 7})"),
              HasSubstr("layer 4 (dense) has units that are no multiple of 16"));
}

TEST(DevicePlan, NamesTheDevicesOwnKernelsWhereStagesMatch) {
  const EnginePlan plan = device_plan(load_network("seed_cnn"));
  EXPECT_THAT(plan.kernels, ElementsAre("image convolution + ReLU + pool", "in layer 1's", "in layer 1's",
                                        "normalization", "convolution as a product", "bias + ReLU + pool",
                                        "in layer 6's", "in layer 9's", "rows of features", "dense as a product",
                                        "bias + ReLU + dropout", "in layer 11's", "classifier"));
  EXPECT_THAT(plan.sameness, HasSubstr("GPUs of the same model"));
  const Network residual = with_layers(
      R"({"convolution": 16}, {"batch_norm": {}}, {"relu": {}}, {"max_pool": 2},
         {"residual": [{"convolution": 16, "padding": 1}, {"batch_norm": {}}]}, {"relu": {}}, {"average_pool": 2},
         {"global_average_pool": {}}, {"dropout": 0.5}, {"dense": 16}, {"relu": {}}, {"dense": 7})");
  EXPECT_THAT(device_plan(residual).kernels,
              ElementsAre("image convolution", "normalization + ReLU + pool", "in layer 2's", "in layer 2's",
                          "sum + ReLU", "convolution as a product", "in the residual's", "in layer 5's", "average pool",
                          "rows of features", "dropout", "dense as a product", "bias + ReLU", "classifier"));
}

TEST(DevicePlan, TakesLibTorchsOperatorsForOtherTables) {
  const Network network = with_layers(R"({"max_pool": 4}, {"flatten": {}}, {"dense": 7})");
  EXPECT_EQ(device_plan(network).refusal, "");
  EXPECT_THAT(device_plan(network).kernels, ElementsAre("max_pool2d", "view", "linear"));
  EXPECT_EQ(device_kernel_refusal(network),
            "the device's kernels have no stage for it: layer 1 (max_pool) reads the "
            "image, which a convolution must");
  const Network large = with_layers(
      R"({"convolution": 32, "padding": 1}, {"relu": {}}, {"flatten": {}}, {"dropout": 0.5}, {"dense": 7})");
  EXPECT_EQ(fused_plan(large).refusal, "");
  EXPECT_THAT(device_kernel_refusal(large), HasSubstr("layer 4 (dropout) has 73728"));
  EXPECT_THAT(device_plan(large).kernels.front(), "conv2d");
}

}  // namespace

}  // namespace fer_ddp
