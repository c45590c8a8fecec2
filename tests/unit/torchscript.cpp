// TorchScript files, read back by LibTorch and held against the model that they were written from.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

#include "core/error.h"
#include "export/torchscript_file.h"
#include "model/weights.h"
#include "network/table.h"
#include "network/tensors.h"
#include "step/input_images.h"
#include "tests/faces.h"
#include "tests/random_network.h"

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRandomNetworks = 40;

std::string written(const Model& model) {
  std::string bytes;
  write_torchscript({model.network(), copy_weights(model)}, [&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return bytes;
}

torch::jit::Module loaded(const std::string& bytes) {
  std::istringstream stream(bytes);
  return torch::jit::load(stream);
}

// Running statistics that say something.
std::unique_ptr<Model> model_of(const Network& network, int64_t seed) {
  auto model = make_model(network, {.init = "uniform_fan_in", .random_seed = seed});
  at::Generator generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
  for (const Buffer& buffer : model->buffers()) at::Tensor(buffer.value).uniform_(0.5, 1.5, generator);
  return model;
}

// Of faces as grey values, which the file scales itself.
void expect_same_logits(const Network& network, int64_t seed) {
  const std::unique_ptr<Model> model = model_of(network, seed);
  Faces faces = Faces::patches(5);
  std::fill_n(faces.images.begin(), kImagePixels, uint8_t{0});  // black: its standard deviation is 0
  const at::NoGradGuard no_grad;
  const at::Tensor expected = model->forward(
      input_images(network.input, 5, [&](int64_t i) { return faces.images.data() + i * kImagePixels; }), {});
  const at::Tensor pixels =
      at::from_blob(faces.images.data(), {5, 1, kImageSide, kImageSide}, at::kByte).to(at::kFloat);
  const at::Tensor found = loaded(written(*model)).forward({pixels}).toTensor();
  const double largest = expected.abs().max().item<double>();
  EXPECT_LE((found - expected).abs().max().item<double>(), 1e-4 * largest);
}

TEST(TorchScript, OfSomeBuiltInNetworksGivesTheModelsLogits) {
  for (const char* name : {"seed_cnn", "vgg8_16", "resnet18"}) {
    SCOPED_TRACE(name);
    expect_same_logits(load_network(name), 1);
  }
}

TEST(TorchScript, OfRandomNetworksGivesTheModelsLogits) {
  for (uint64_t number = 0; number < kRandomNetworks; ++number) {
    SCOPED_TRACE(number);
    expect_same_logits(RandomNetwork(number).draw(), static_cast<int64_t>(number));
  }
}

TEST(TorchScript, HasTheWeightsNamesAsParametersAndBuffers) {
  const std::unique_ptr<Model> model = model_of(load_network("vgg8_16"), 1);
  const torch::jit::Module module = loaded(written(*model));
  StoredTensors rest = copy_weights(*model);
  for (const auto& tensor : module.named_parameters()) EXPECT_EQ(rest.erase(tensor.name), 1U) << tensor.name;
  for (const auto& tensor : module.named_buffers()) EXPECT_EQ(rest.erase(tensor.name), 1U) << tensor.name;
  EXPECT_TRUE(rest.empty());
}

Network with_layer_names(const char* first, const char* second) {
  return parse_network(R"({"layers": [{"convolution": 4, "name": ")" + std::string(first) +
                           R"("}, {"global_average_pool": {}}, {"dense": 7, "name": ")" + second + R"("}]})",
                       "names.json");
}

TEST(TorchScript, TakesNamesWithPointsNumbersAndHyphens) {
  expect_same_logits(with_layer_names("stage1.0.conv-a", "stage1.1"), 1);
}

TEST(TorchScript, NamesThatNoModuleCanHaveAreTheUsersError) {
  for (const auto& [first, second] :
       {std::pair("a..b", "c"), std::pair("forward", "c"), std::pair("a", "a.weight"), std::pair(".a", "c")}) {
    try {
      static_cast<void>(written(*model_of(with_layer_names(first, second), 1)));
      ADD_FAILURE() << "accepted " << first << ", " << second;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::kUser);
      EXPECT_THAT(error.what(), HasSubstr("TorchScript cannot name a weight"));
    }
  }
}

}  // namespace
}  // namespace fer_ddp
