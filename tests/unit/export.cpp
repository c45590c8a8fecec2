// What is written for other tools, without LibTorch: ONNX files looked at by ONNX's own checker and shape inference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/checker.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <set>

#include "core/error.h"
#include "export/onnx_file.h"
#include "network/table.h"
#include "network/tensors.h"
#include "tests/random_network.h"

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRandomNetworks = 40;

ExportedNetwork with_weights(Network network) {
  ExportedNetwork exported{.network = std::move(network), .weights = {}};
  for (const NetworkTensor& tensor : network_tensors(exported.network))
    exported.weights[tensor.name] = {tensor.shape, std::vector<float>(static_cast<size_t>(tensor.size()), 0.5F)};
  return exported;
}

std::string written(const ExportedNetwork& exported, void (*write)(const ExportedNetwork&, const ByteSink&)) {
  std::string bytes;
  write(exported, [&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return bytes;
}

onnx::ModelProto parsed(const std::string& bytes) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  return model;
}

// Throws where a node is not what its operator wants, or where the shapes do not lead to [n, 7].
void expect_valid(const ExportedNetwork& exported) {
  onnx::ModelProto model = parsed(written(exported, &write_onnx));
  onnx::checker::check_model(model);
  constexpr int kStrict = 1;
  onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), {true, kStrict, false});
  const onnx::TypeProto::Tensor& logits = model.graph().output(0).type().tensor_type();
  ASSERT_EQ(logits.shape().dim_size(), 2);
  EXPECT_EQ(logits.shape().dim(0).dim_param(), "n");
  EXPECT_EQ(logits.shape().dim(1).dim_value(), 7);
}

TEST(OnnxFile, OfEveryBuiltInNetworkIsValid) {
  for (const BuiltInTable& table : built_in_tables()) {
    SCOPED_TRACE(table.name);
    EXPECT_NO_THROW(expect_valid(with_weights(load_network(table.name))));
  }
}

TEST(OnnxFile, OfRandomNetworksIsValid) {
  for (uint64_t number = 0; number < kRandomNetworks; ++number) {
    SCOPED_TRACE(number);
    EXPECT_NO_THROW(expect_valid(with_weights(RandomNetwork(number).draw())));
  }
}

TEST(OnnxFile, HoldsTheWeightsByTheirNamesAndNamesTheClasses) {
  const onnx::ModelProto model = parsed(written(with_weights(load_network("seed_cnn")), &write_onnx));
  EXPECT_EQ(model.opset_import(0).version(), 17);
  std::set<std::string> names;
  for (const onnx::TensorProto& tensor : model.graph().initializer()) names.insert(tensor.name());
  EXPECT_TRUE(names.contains("conv1.weight"));
  EXPECT_TRUE(names.contains("bn2.running_var"));
  ASSERT_EQ(model.metadata_props_size(), 1);
  EXPECT_EQ(model.metadata_props(0).value(), "Angry,Disgust,Fear,Happy,Sad,Surprise,Neutral");
}

TEST(OnnxFile, HasTheSameBytesEachTime) {
  const ExportedNetwork exported = with_weights(load_network("vgg8_16"));
  EXPECT_EQ(written(exported, &write_onnx), written(exported, &write_onnx));
}

TEST(ExportedWeights, ReadBackWithTheNetworksTableInTheHeader) {
  const ExportedNetwork exported = with_weights(load_network("seed_cnn"));
  const std::string bytes = written(exported, &write_weights);
  const StoredTensors read = decode_safetensors(bytes, "seed_cnn.safetensors");
  EXPECT_EQ(read.size(), exported.weights.size());
  EXPECT_EQ(read.at("fc1.weight").values, exported.weights.at("fc1.weight").values);
  EXPECT_THAT(bytes.substr(0, 4096), HasSubstr(R"(\"max_pool\":2)"));
}

// The message of the Error that the weights are refused by; empty where they are not.
std::string refusal(const ExportedNetwork& exported) {
  try {
    require_weights_of_network(exported, "model.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    return error.what();
  }
  return {};
}

TEST(ExportedWeights, MustBeTheNetworks) {
  const ExportedNetwork whole = with_weights(load_network("seed_cnn"));
  EXPECT_EQ(refusal(whole), "");
  ExportedNetwork broken = whole;
  broken.weights.erase("conv2.bias");
  EXPECT_THAT(refusal(broken), HasSubstr("model.safetensors: is not of the run's network: conv2.bias is missing"));
  broken = whole;
  broken.weights["conv2.bias"].shape = {8, 8};
  EXPECT_THAT(refusal(broken), HasSubstr("conv2.bias is [8, 8], the network's is [64]"));
  broken = whole;
  broken.weights["conv9.bias"] = {};
  EXPECT_THAT(refusal(broken), HasSubstr("the network has no conv9.bias"));
}

}  // namespace
}  // namespace fer_ddp
