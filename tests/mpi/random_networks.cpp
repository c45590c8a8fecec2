// Networks drawn at random, between real MPI processes: two steps of any engine give the same numbers as in a world of
// one, within rounding, whatever the world size, also where ranks have uneven shares or none; and the same bits when
// they are run again.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "comm/identity_communicator.h"
#include "data/sampler.h"
#include "kernels/matrix_tiles.h"
#include "step/autograd/autograd_step.h"
#include "step/device/device_step.h"
#include "step/device/kernel_choice.h"
#include "step/fused/stages/staged_step.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"
#include "tests/mpi/world.h"
#include "tests/random_network.h"

namespace fer_ddp {

namespace {

constexpr int kNetworks = 10;
constexpr int kKernelNetworks = 4;

struct Trained {
  std::vector<float> gradients;     // of the first step
  std::vector<float> statistics{};  // after it
  double loss = 0;                  // of the rank's share
};

enum class Engine { kAutograd, kDevice, kKernels, kStages };

// The world's sums; of those of gradients, how large they are and which kernels were started before.
class WatchedSums final : public Reducer {
 public:
  void all_reduce(std::span<double> values, ReduceOperation operation) override {
    world_communicator().all_reduce(values, operation);
  }
  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    sizes.push_back(values.size());
    kernels_before.push_back(host_kernel_launches());
    return world_communicator().start_sum(values);
  }

  std::vector<size_t> sizes{};
  std::vector<int64_t> kernels_before{};
};

Trained train(Engine engine, Communicator& communicator, const Network& network, const Faces& faces,
              BatchNormScope batch_norm = BatchNormScope::kGlobal, Reducer* sums_by = nullptr,
              Precision precision = Precision::kFp32) {
  const Config config{.batch_size = static_cast<int>(faces.rows.size()),
                      .optimizer = OptimizerRule::kSgd,
                      .init = "uniform_fan_in",
                      .batch_norm = batch_norm,
                      .momentum = 0.5,
                      .precision = precision};
  const auto model = make_model(network, config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  HostRuntime runtime(sums_by != nullptr ? *sums_by : static_cast<Reducer&>(communicator));
  const Dataset dataset = dataset_of(faces);
  std::unique_ptr<TrainingStep> step;
  if (engine == Engine::kAutograd)
    step = std::make_unique<AutogradStep>(*model, *optimizer, communicator, config);
  else if (engine == Engine::kStages)
    step = std::make_unique<StagedStep>(*model, *optimizer, communicator, config);
  else
    step = std::make_unique<DeviceStep>(*model, *optimizer, dataset, runtime, config, nullptr,
                                        engine == Engine::kKernels ? make_host_kernels(config.precision) : nullptr);
  const auto count = static_cast<int64_t>(faces.rows.size());
  const PositionRange mine = rank_share({0, count}, communicator.rank(), communicator.size());
  step->begin_epoch(0, faces.rows);
  BatchSums sums = step->run(
      {.images = faces.images,
       .labels = faces.labels,
       .rows = std::span(faces.rows).subspan(static_cast<size_t>(mine.begin), static_cast<size_t>(mine.size())),
       .global_images = count,
       .first_position = mine.begin},
      1.0);
  sums += step->synchronize();
  Trained trained{.gradients = optimizer->slots().at(0).values, .loss = sums.loss};
  for (const Buffer& buffer : model->buffers())
    trained.statistics.insert(trained.statistics.end(), buffer.value.const_data_ptr<float>(),
                              buffer.value.const_data_ptr<float>() + buffer.value.numel());
  return trained;
}

// As a share of the largest of b.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0;
  double largest = 1e-12;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return difference / largest;
}

// Together as alone, and twice the same.
void expect_world_not_to_matter(Engine engine, const Network& network, const Faces& faces) {
  SCOPED_TRACE(network_to_json(network).dump());
  Communicator& world = world_communicator();
  const Trained together = train(engine, world, network, faces);
  const Trained alone = train(engine, *make_identity_communicator(), network, faces);
  std::array<double, 1> loss = {together.loss};
  world.all_reduce(std::span<double>(loss), ReduceOperation::kSum);
  EXPECT_NEAR(loss[0], alone.loss, 1e-5 * alone.loss);
  EXPECT_LT(distance(together.gradients, alone.gradients), 1e-3);
  EXPECT_LT(distance(together.statistics, alone.statistics), 1e-5);
  EXPECT_EQ(train(engine, world, network, faces).gradients, together.gradients);
}

class RandomNetworksBy : public ::testing::TestWithParam<Engine> {};

TEST_P(RandomNetworksBy, DoNotDependOnTheWorldSize) {
  for (int i = 0; i < kNetworks; ++i)
    expect_world_not_to_matter(GetParam(), RandomNetwork(static_cast<uint64_t>(i)).draw(), Faces::patches(3 + i % 7));
}

// By the kernels' sources on the host, which take their time: fewer networks, the first with three images.
TEST(RandomKernels, DoNotDependOnTheWorldSize) {
  for (int i = 0; i < kKernelNetworks; ++i)
    expect_world_not_to_matter(Engine::kKernels, RandomNetwork(static_cast<uint64_t>(i)).draw_staged(),
                               Faces::patches(3 + i % 7));
}

// Statistics of a rank's own images: those of LibTorch's operators on as many ranks, of which the last may have none.
// Not drawn at random: a normalisation of one image's single position has nothing but rounding to decide by.
TEST(DeviceKernels, TakeEachRanksOwnStatisticsWhereTheyAreLocal) {
  const Network network = parse_network(
      R"({"layers": [{"convolution": 16, "padding": 1}, {"relu": {}}, {"max_pool": 2}, {"batch_norm": {}},
                     {"convolution": 32, "padding": 1, "stride": 2}, {"batch_norm": {}}, {"relu": {}},
                     {"global_average_pool": {}}, {"dense": 7}]})",
      "table");
  for (const int images : {3, 5}) {
    const Faces faces = Faces::patches(images);
    const Trained kernels = train(Engine::kKernels, world_communicator(), network, faces, BatchNormScope::kLocal);
    const Trained operators = train(Engine::kDevice, world_communicator(), network, faces, BatchNormScope::kLocal);
    EXPECT_NEAR(kernels.loss, operators.loss, 1e-5 * operators.loss);
    EXPECT_LT(distance(kernels.gradients, operators.gradients), 1e-3);
    EXPECT_LT(distance(kernels.statistics, operators.statistics), 1e-5);
  }
}

// Each rank measures: what is quicker for all of them together holds for all.
TEST(DeviceKernels, AreChosenAlikeOnAllRanks) {
  Communicator& world = world_communicator();
  HostRuntime runtime(world, [](Precision precision) { return make_host_kernels(precision); });
  const bool library_is_quicker = world.rank() % 2 == 0;
  runtime.time_by([&](const std::function<void()>& work) {
    const int64_t before = host_kernel_launches();
    work();
    return (host_kernel_launches() > before) == library_is_quicker ? 2.0 : 1.0;
  });
  const Network network = parse_network(
      R"({"layers": [{"convolution": 16}, {"relu": {}}, {"max_pool": 2}, {"convolution": 16, "stride": 2}, {"relu": {}},
                     {"global_average_pool": {}}, {"dense": 7}]})",
      "table");
  const auto kernels = choose_kernels(Config{.batch_size = 1}, network, runtime, world, {}, 0);
  const bool library_is_quicker_for_most = world.size() % 2 == 1;
  EXPECT_EQ(kernels->choices(), library_is_quicker_for_most ? "host, fp32\nforward 23x23x16 to 11x11x16, 3x3 by 2\n"
                                                              "input gradient 23x23x16 to 11x11x16, 3x3 by 2\n"
                                                              "weight gradient 23x23x16 to 11x11x16, 3x3 by 2"
                                                            : "host, fp32");
}

// Its dense layer alone is more than the smallest bucket.
TEST(DeviceKernels, SumTheLastLayersGradientsOverTheRanksWhileBackwardRuns) {
  const Network network = parse_network(
      R"({"layers": [{"convolution": 16, "padding": 1}, {"relu": {}}, {"max_pool": 2},
                     {"convolution": 16, "padding": 1}, {"relu": {}},
                     {"flatten": {}}, {"dense": 240}, {"relu": {}}, {"dense": 7}]})",
      "table");
  const Faces faces = Faces::patches(2);
  WatchedSums sums;
  const Trained together =
      train(Engine::kKernels, world_communicator(), network, faces, BatchNormScope::kGlobal, &sums);
  const int64_t kernels = host_kernel_launches();
  ASSERT_EQ(sums.sizes.size(), 2U);
  EXPECT_GT(sums.sizes[0], size_t{24 * 24 * 16 * 240});
  EXPECT_LT(sums.sizes[1], size_t{16 * 16 * 9 * 2});
  EXPECT_GT(sums.kernels_before[1], sums.kernels_before[0] + 3) << "backward was over";
  EXPECT_EQ(kernels, sums.kernels_before[1] + 1) << "more than the update follows the last sum";
  const Trained alone = train(Engine::kKernels, *make_identity_communicator(), network, faces);
  EXPECT_LT(distance(together.gradients, alone.gradients), 1e-3);
}

// At 1, 2, 4 and 8 ranks the stages add up the same numbers in the same order.
void expect_the_same_bits_at_any_power_of_two(Precision precision, double otherwise) {
  Communicator& world = world_communicator();
  for (int i = 0; i < kNetworks; ++i) {
    const Network network = RandomNetwork(static_cast<uint64_t>(i)).draw_staged();
    SCOPED_TRACE(network_to_json(network).dump());
    const Faces faces = Faces::patches(2 + i % 7);
    const auto train_by = [&](Communicator& communicator) {
      return train(Engine::kStages, communicator, network, faces, BatchNormScope::kGlobal, nullptr, precision);
    };
    const Trained together = train_by(world);
    const Trained alone = train_by(*make_identity_communicator());
    EXPECT_LT(distance(together.gradients, alone.gradients), otherwise);
    if (!std::has_single_bit(static_cast<unsigned>(world.size()))) continue;
    EXPECT_EQ(together.gradients, alone.gradients);
    EXPECT_EQ(together.statistics, alone.statistics);
  }
}

TEST(RandomStages, HaveTheSameBitsAtAnyPowerOfTwo) { expect_the_same_bits_at_any_power_of_two(Precision::kFp32, 1e-3); }

TEST(RandomStages, HaveTheSameBitsAtAnyPowerOfTwoWithBf16Operands) {
  use_plain_tiles(true);
  expect_the_same_bits_at_any_power_of_two(Precision::kBf16, 0.1);
  use_plain_tiles(false);
}

// Weights and statistics after four steps, what is between them stored and loaded again: the running mean is no zero
// then, averages and clipping have their say, and a bias before a normalisation has a value.
std::vector<float> after_steps(
    const std::function<std::unique_ptr<TrainingStep>(Model&, Optimizer&, const Config&)>& make,
    Communicator& communicator, const Faces& faces) {
  const Config config{.batch_size = static_cast<int>(faces.rows.size()),
                      .optimizer = OptimizerRule::kSgd,
                      .init = "uniform_fan_in",
                      .momentum = 0.5,
                      .gradient_clip_norm = 0.3,
                      .average_weights = 0.9};
  const auto model = make_model(
      parse_network(R"({"layers": [{"convolution": 16, "padding": 1}, {"relu": {}}, {"max_pool": 2}, {"batch_norm": {}},
                                   {"convolution": 32, "padding": 1, "stride": 2, "bias": true}, {"batch_norm": {}},
                                   {"relu": {}}, {"batch_norm": {}}, {"global_average_pool": {}}, {"dense": 7}]})",
                    "table"),
      config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto step = make(*model, *optimizer, config);
  const auto count = static_cast<int64_t>(faces.rows.size());
  const PositionRange mine = rank_share({0, count}, communicator.rank(), communicator.size());
  step->begin_epoch(0, faces.rows);
  for (int i = 0; i < 4; ++i) {
    step->run({.images = faces.images,
               .labels = faces.labels,
               .rows = std::span(faces.rows).subspan(static_cast<size_t>(mine.begin), static_cast<size_t>(mine.size())),
               .global_images = count,
               .first_position = mine.begin},
              0.1);
    step->synchronize();
  }
  std::vector<float> all(model->store().weights().begin(), model->store().weights().end());
  for (const Buffer& buffer : model->buffers())
    all.insert(all.end(), buffer.value.const_data_ptr<float>(),
               buffer.value.const_data_ptr<float>() + buffer.value.numel());
  return all;
}

TEST(Stages, GoOnFromStepToStepAsAutogradDoes) {
  Communicator& world = world_communicator();
  const auto alone = make_identity_communicator();
  const Faces faces = Faces::patches(9);
  const auto by_stages = [&](Communicator& communicator) {
    return after_steps(
        [&](Model& model, Optimizer& optimizer, const Config& config) {
          return std::make_unique<StagedStep>(model, optimizer, communicator, config);
        },
        communicator, faces);
  };
  const std::vector<float> expected = after_steps(
      [&](Model& model, Optimizer& optimizer, const Config& config) {
        return std::make_unique<AutogradStep>(model, optimizer, *alone, config);
      },
      *alone, faces);
  const std::vector<float> together = by_stages(world);
  EXPECT_LT(distance(together, expected), 1e-3);
  if (std::has_single_bit(static_cast<unsigned>(world.size()))) {
    EXPECT_EQ(together, by_stages(*alone));
  }
}

// A layer may have more channels than a reducer sums at once.
TEST(Stages, TakeWideLayers) {
  const Network network = parse_network(
      R"({"layers": [{"convolution": 16, "stride": 1}, {"relu": {}}, {"max_pool": 2}, {"max_pool": 2}, {"max_pool": 2},
                     {"convolution": 2064, "kernel": 1}, {"batch_norm": {}}, {"relu": {}},
                     {"global_average_pool": {}}, {"dense": 7}]})",
      "table");
  const Trained stages = train(Engine::kStages, world_communicator(), network, Faces::patches(4));
  const Trained autograd = train(Engine::kAutograd, world_communicator(), network, Faces::patches(4));
  EXPECT_LT(distance(stages.statistics, autograd.statistics), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Engines, RandomNetworksBy, ::testing::Values(Engine::kAutograd, Engine::kDevice),
                         [](const auto& engine) {
                           return std::string(engine.param == Engine::kAutograd ? "Autograd" : "Device");
                         });

}  // namespace

}  // namespace fer_ddp
