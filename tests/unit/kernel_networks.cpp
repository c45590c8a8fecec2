// A device's own kernels over networks drawn at random: the very sources that nvcc compiles, on the host, against fp64
// autograd that takes their decisions (tests/random_network_step.h); and how many of them a step starts.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "comm/identity_communicator.h"
#include "core/augmentation_options.h"
#include "step/device/device_step.h"
#include "step/device/kernel_engine.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"
#include "tests/random_network_step.h"

namespace fer_ddp {

namespace {

// What a ReLU saw before a pool whose winners alone are kept: the first convolution, the winners as they were, and no
// other value of a window larger.
at::Tensor values_by_winners(const KernelStage& stage, const StageSpec& spec, const Model& start, const Faces& faces) {
  const auto& options = std::get<layer::Convolution>(spec.layer->kind);
  at::Tensor values =
      at::conv2d(input_of(start.network(), faces), start.store()[spec.layer->name + ".weight"].detach(),
                 options.bias ? start.store()[spec.layer->name + ".bias"].detach() : at::Tensor(), 1, options.padding)
          .relu()
          .contiguous();
  const FeatureShape& pooled = stage.left().shape;
  const auto* most = static_cast<const float*>(stage.left().values);
  const uint8_t* winner = stage.winners();
  auto seen = values.accessor<float, 4>();
  for (int64_t n = 0; n < values.size(0); ++n)
    for (int64_t y = 0; y < pooled.height; ++y)
      for (int64_t x = 0; x < pooled.width; ++x)
        for (int64_t c = 0; c < pooled.channels; ++c, ++most, ++winner)
          for (int i = 0; i < 4; ++i) {
            float& value = seen[n][c][2 * y + i / 2][2 * x + i % 2];
            value = i == *winner ? *most : std::min(value, std::nextafter(*most, -1.0F));
          }
  return values;
}

// What the host kernels' ReLU saw: z through its map, by the parameters of before the step.
at::Tensor mapped_values(const KernelValues& seen, const StageSpec& spec, const Model& start, int64_t images) {
  const FeatureShape& shape = seen.shape;
  const auto by_channel = [&shape](const float* numbers) {
    return at::from_blob(const_cast<float*>(numbers), {shape.channels}, at::kFloat);
  };
  const auto parameter = [&start](const std::string& name, double otherwise) {
    for (const Parameter& each : start.store().parameters())
      if (each.name == name) return each.value.detach();
    return at::full({}, otherwise);
  };
  at::Tensor values = at::from_blob(seen.values, {images, shape.height, shape.width, shape.channels}, at::kFloat);
  if (spec.batch_norm == nullptr) {
    values = values + parameter(spec.layer->name + ".bias", 0);
  } else {
    const at::Tensor scale = by_channel(seen.map.inverse_deviation) * parameter(spec.batch_norm->name + ".weight", 1);
    values = (values - by_channel(seen.map.mean)) * scale + parameter(spec.batch_norm->name + ".bias", 0);
  }
  return values.relu().permute({0, 3, 1, 2});
}

ReferenceNetwork::EngineValue values_of(const KernelEngine& engine, const Model& start, const Faces& faces) {
  return [&engine, &start, &faces](const Layer& layer) {
    const auto is_layer = [&layer](const Layer* other) { return other != nullptr && other->place == layer.place; };
    const auto images = static_cast<int64_t>(faces.rows.size());
    const KernelBatch batch{.images = static_cast<int>(images), .statistics_images = images};
    for (size_t i = 0; i < engine.plan().stages.size(); ++i) {
      const StageSpec& spec = engine.plan().stages[i];
      const bool is_whole = is_layer(spec.pool) || (spec.kind != StageSpec::Kind::kConvolution && is_layer(spec.layer));
      if (is_whole || (spec.kind == StageSpec::Kind::kResidual && is_layer(spec.relu))) {
        const KernelValues& left = engine.stage(i).left();
        return at::from_blob(left.values, {images, left.shape.height, left.shape.width, left.shape.channels},
                             at::kFloat)
            .permute({0, 3, 1, 2});
      }
      if (!is_layer(spec.relu)) continue;
      const KernelValues seen = engine.stage(i).before_map(batch);
      return seen.values == nullptr ? values_by_winners(engine.stage(i), spec, start, faces)
                                    : mapped_values(seen, spec, start, images);
    }
    return at::Tensor();
  };
}

// The very sources that nvcc compiles, their threads as fibres. A quarter of the networks each, since fibres take their
// time; half of them learn from teachers, of which one is asked by kernels and one by LibTorch's operators.
class KernelNetworks : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Quarter, KernelNetworks, ::testing::Range(0, 4));

TEST_P(KernelNetworks, TheDevicesKernelsComputeWhatFp64Does) {
  int number = 0;
  for_each_network(Drawn::kStaged, [&](const Network& network, const Config& config, const Faces& faces) {
    if (number++ % 4 != GetParam()) return;
    const auto start = make_model(network, config);
    const auto model = make_model(network, config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    HostRuntime runtime(*communicator);
    const Dataset dataset = dataset_of(faces);
    const auto teachers = teachers_of(config);
    DeviceStep step(*model, *optimizer, dataset, runtime, config, teachers.get(), make_host_kernels(config.precision));
    const auto* engine = dynamic_cast<const KernelEngine*>(&step.engine());
    ASSERT_NE(engine, nullptr);
    const Stepped stepped = step_once(step, *model, *optimizer, faces);
    expect_as_reference(stepped, *start, config, faces, values_of(*engine, *start, faces));
  });
}

// What a GPU starts for a step: no more kernels than its graph has nodes for.
int64_t kernels_of_a_step(const Config& config) {
  const Faces faces = Faces::patches(2);
  const auto model = make_model(load_network("seed_cnn"), config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  HostRuntime runtime(*communicator);
  const Dataset dataset = dataset_of(faces);
  DeviceStep step(*model, *optimizer, dataset, runtime, config, nullptr, make_host_kernels(config.precision));
  step.begin_epoch(0, faces.rows);
  BatchShare share = faces.batch();
  share.recipe = image_recipe(config, 0);
  const int64_t before = host_kernel_launches();
  step.run(share, 0.001);
  return host_kernel_launches() - before;
}

TEST(KernelNetworks, TakeTwentyKernelsForAStepOfTheStudysCnn) {
  for (const Precision precision : {Precision::kFp32, Precision::kTf32, Precision::kBf16})
    EXPECT_EQ(kernels_of_a_step({.batch_size = 2, .precision = precision}), 20);
}

TEST(KernelNetworks, TakeOneKernelMoreWhereImagesAreChanged) {
  EXPECT_EQ(kernels_of_a_step({.batch_size = 2, .augment = AugmentPreset::kFull}), 21);
}

TEST(KernelNetworks, TakeOneKernelForAnUpdateWithAllOptions) {
  for (const OptimizerRule rule : {OptimizerRule::kAdamW, OptimizerRule::kSgd})
    EXPECT_EQ(kernels_of_a_step({.batch_size = 2,
                                 .optimizer = rule,
                                 .momentum = 0.5,
                                 .nesterov = rule == OptimizerRule::kSgd,
                                 .weight_decay = 0.1,
                                 .decay_biases = false,
                                 .average_weights = 0.9}),
              20);
}

TEST(KernelNetworks, TakeOneKernelMoreWhereTheGradientIsClipped) {
  EXPECT_EQ(kernels_of_a_step({.batch_size = 2, .gradient_clip_norm = 1.0}), 21);
}

TEST(KernelNetworks, TakeOneKernelMoreForMuonWhoseProductsStandBetweenTwo) {
  EXPECT_EQ(kernels_of_a_step({.batch_size = 2, .optimizer = OptimizerRule::kMuon, .average_weights = 0.9}), 21);
}

}  // namespace

}  // namespace fer_ddp
