#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cmath>

#include "comm/identity_communicator.h"
#include "model/weights.h"
#include "step/autograd/autograd_step.h"
#include "step/device/device_step.h"
#include "step/evaluator.h"
#include "step/fused/fused_step.h"
#include "step/input_images.h"
#include "step/piecewise_update.h"
#include "tests/faces.h"
#include "tests/host_runtime.h"

namespace fer_ddp {

namespace {

TEST(GradientBuckets, CoverEveryParameterOnce) {
  const auto model = make_model({});
  const auto communicator = make_identity_communicator();
  EXPECT_EQ(GradientBuckets(model->store(), *communicator, 1).bucket_count(), model->store().parameters().size());
  EXPECT_EQ(GradientBuckets(model->store(), *communicator, size_t{1} << 30).bucket_count(), 1U);
}

template <typename Step>
void expect_learning_by_heart() {
  const Config config{.batch_size = 14, .dropout = 0.0};
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  Step step(*model, *optimizer, *communicator, config);
  const Faces faces = Faces::stripes(14);
  const double first = step.run(faces.batch(), 0.001).loss;
  BatchSums last;
  for (int i = 0; i < 30; ++i) last = step.run(faces.batch(), 0.001);
  EXPECT_LT(last.loss, 0.1 * first);
  EXPECT_EQ(last.correct, 14);
}

TEST(AutogradStep, LearnsAFewFacesByHeart) { expect_learning_by_heart<AutogradStep>(); }

TEST(AutogradStep, GivesTheSameBitsTwice) {
  const auto train = [] {
    const Config config;
    const auto model = make_model(config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    AutogradStep step(*model, *optimizer, *communicator, config);
    for (int i = 0; i < 3; ++i) step.run(Faces::stripes(10).batch(), 0.001);
    return copy_weights(*model).at("fc1.weight").values;
  };
  EXPECT_EQ(train(), train());
}

template <typename Step>
std::vector<float> weights_after_three_steps(int threads, Config config = {}) {
  at::set_num_threads(threads);
  config.batch_size = 37;
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  Step step(*model, *optimizer, *communicator, config);
  for (int i = 0; i < 3; ++i) step.run(Faces::noise(37).batch(), 0.001);
  step.synchronize();
  at::set_num_threads(1);
  return {model->store().weights().begin(), model->store().weights().end()};
}

TEST(FusedStep, GivesTheSameBitsAtAnyNumberOfThreads) {
  const std::vector<float> alone = weights_after_three_steps<FusedStep>(1);
  for (const int threads : {2, 3, 16}) EXPECT_EQ(weights_after_three_steps<FusedStep>(threads), alone) << threads;
}

TEST(FusedStep, GivesTheSameBitsByMuonAndClippingAtAnyNumberOfThreads) {
  const Config config{.optimizer = OptimizerRule::kMuon, .momentum = 0.6, .gradient_clip_norm = 0.1};
  const std::vector<float> alone = weights_after_three_steps<FusedStep>(1, config);
  for (const int threads : {2, 3, 16})
    EXPECT_EQ(weights_after_three_steps<FusedStep>(threads, config), alone) << threads;
}

// All replicas of a weight must be equal, also where one rank has more threads than another.
TEST(Muon, HasTheSameBitsAtAnyNumberOfThreads) {
  const Config config{
      .optimizer = OptimizerRule::kMuon, .model = "vgg8_16", .momentum = 0.6, .gradient_clip_norm = 0.1};
  const auto updated = [&](int threads) {
    at::set_num_threads(threads);
    const auto model = make_model(config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    for (int step = 0; step < 2; ++step) {
      RandomStream random(1, RandomPurpose::kSyntheticFaces, static_cast<uint32_t>(step));
      for (float& value : model->store().gradients()) value = random.next_uniform() - 0.5F;
      update_all_pieces(*optimizer, 0.02, model->store().weights(), model->store().gradients());
    }
    at::set_num_threads(1);
    return std::vector<float>(model->store().weights().begin(), model->store().weights().end());
  };
  const std::vector<float> alone = updated(1);
  for (const int threads : {2, 5}) EXPECT_EQ(updated(threads), alone) << threads;
}

TEST(FusedStep, EqualsTheAutogradStepWithinRounding) {
  const std::vector<float> fused = weights_after_three_steps<FusedStep>(2);
  const std::vector<float> autograd = weights_after_three_steps<AutogradStep>(2);
  // Adam's first updates divide each gradient by its own size: rounding decides the sign of the smallest.
  double difference = 0;
  for (size_t i = 0; i < fused.size(); ++i) difference += std::abs(fused[i] - autograd[i]);
  EXPECT_LT(difference / static_cast<double>(fused.size()), 1e-5);
}

TEST(FusedStep, LearnsAFewFacesByHeart) { expect_learning_by_heart<FusedStep>(); }

// The model's own layers and the fused kernels on what was trained by the latter.
TEST(FusedStep, EvaluatesAsTheModelDoes) {
  const Config config{.batch_size = 40};
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  FusedStep step(*model, *optimizer, *communicator, config);
  const Faces faces = Faces::noise(300);
  for (int i = 0; i < 3; ++i) step.run(Faces::noise(40).batch(), 0.001);
  step.synchronize();
  const Dataset dataset = dataset_of(faces, Split::kValidation);
  const EvaluationSums fused = step.evaluate(dataset, Split::kValidation, {7, 300});
  const EvaluationSums layers = evaluate_rows(*model, dataset.split(Split::kValidation), {7, 300}, 0.0);
  EXPECT_EQ(fused.confusion, layers.confusion);
  EXPECT_NEAR(fused.loss, layers.loss, 1e-5 * layers.loss);
}

// By each step, and by the mean of the model's own softmax over the views.
TEST(EvaluateViews, TakesTheMeanProbabilitiesOfAllViews) {
  const Config config{.batch_size = 40, .label_smoothing = 0.1, .test_time_augmentation = TestViews::kViews18};
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  const Faces faces = Faces::patches(30);
  const Dataset dataset = dataset_of(faces, Split::kTest);
  at::Tensor mean = at::zeros({30, kExpressionCount}, at::kDouble);
  for (const ImageView& view : image_views(TestViews::kViews18)) {
    const at::Tensor images = input_images(30, [&](int64_t i, float* pixels) {
      write_view(view, PixelScale::kUnit, faces.images.data() + i * kImagePixels, pixels);
    });
    mean += at::softmax(model->forward(images, {}), 1).detach().to(at::kDouble) / 18;
  }
  const at::Tensor labels = at::from_blob(const_cast<uint8_t*>(faces.labels.data()), {30}, at::kByte).to(at::kLong);
  const double loss =
      -(0.9 * mean.gather(1, labels.unsqueeze(1)).log().sum() + 0.1 / 7 * mean.log().sum()).item<double>() / 30;
  const auto correct = (mean.argmax(1) == labels).sum().item<int64_t>();
  AutogradStep by_autograd(*model, *optimizer, *communicator, config);
  FusedStep by_kernels(*model, *optimizer, *communicator, config);
  HostRuntime runtime(*communicator);
  DeviceStep by_device(*model, *optimizer, dataset, runtime, config);
  for (TrainingStep* step : std::array<TrainingStep*, 3>{&by_autograd, &by_kernels, &by_device}) {
    const Evaluation evaluation = evaluate_views(*step, dataset, Split::kTest, *communicator, config);
    EXPECT_NEAR(evaluation.loss, loss, 1e-5);
    EXPECT_NEAR(evaluation.accuracy(), static_cast<double>(correct) / 30, 1e-9);
    EXPECT_NE(evaluation.loss, evaluate(*step, dataset, Split::kTest, *communicator).loss);
  }
}

TEST(Threads, AParallelLoopRunsOnAllOfThem) {
  at::set_num_threads(3);
  std::array<std::atomic<bool>, 3> seen{};
  at::parallel_for(0, 3, 1, [&](int64_t, int64_t) { seen.at(static_cast<size_t>(at::get_thread_num())) = true; });
  at::set_num_threads(1);
  for (const auto& thread : seen) EXPECT_TRUE(thread);
}

TEST(AutogradStep, LabelSmoothingSpreadsTheTarget) {
  const at::Tensor logits = at::tensor({2.0F, 1.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F}).view({1, 7});
  const at::Tensor log_shares = at::log_softmax(logits.to(at::kDouble), 1);
  // Keras: y * (1 - s) + s / 7.
  const double expected = -(log_shares[0][1].item<double>() * 0.9 + log_shares.sum().item<double>() * 0.1 / 7);
  EXPECT_NEAR(summed_loss(logits, at::tensor({1}, at::kLong), 0.1).item<double>(), expected, 1e-6);
}

TEST(Evaluator, CountsEveryImageOnce) {
  const Config config;
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  AutogradStep step(*model, *optimizer, *communicator, config);
  const Faces faces = Faces::stripes(150);
  const Evaluation evaluation = evaluate(step, dataset_of(faces, Split::kTest), Split::kTest, *communicator);
  EXPECT_EQ(evaluation.images, 150);
  EXPECT_EQ(total(evaluation.true_counts()), 150);
  EXPECT_EQ(evaluation.true_counts()[0], 22);
  EXPECT_GT(evaluation.loss, 0.0);
}

// The score without copies is that of a split which holds the other rows alone.
TEST(Evaluator, ScoresTheOtherRowsAsIfThereWereNoCopies) {
  const Config config;
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  FusedStep step(*model, *optimizer, *communicator, config);
  const Faces faces = Faces::noise(30);
  PerSplit<std::vector<int32_t>> copies;
  copies[Split::kValidation] = {3, 4, 29};
  const Dataset dataset = dataset_of(faces, Split::kValidation, copies);
  const Evaluation apart = evaluate_copies_apart(step, dataset, Split::kValidation, *communicator);

  Faces others(0);
  for (int row = 0; row < 30; ++row) {
    if (row == 3 || row == 4 || row == 29) continue;
    const auto first = faces.images.begin() + int64_t{row} * kImagePixels;
    others.images.insert(others.images.end(), first, first + kImagePixels);
    others.labels.push_back(faces.labels[static_cast<size_t>(row)]);
  }
  const Evaluation expected = evaluate(step, dataset_of(others, Split::kValidation), Split::kValidation, *communicator);
  ASSERT_TRUE(apart.without_copies);
  EXPECT_EQ(apart.without_copies->images, 27);
  EXPECT_EQ(apart.without_copies->loss, expected.loss);
  EXPECT_EQ(apart.without_copies->accuracy(), expected.accuracy());
  EXPECT_EQ(apart.images, 30);
  EXPECT_EQ(total(apart.true_counts()), 30);
}

TEST(Evaluator, ASplitOfNothingButCopiesHasNoScoreWithoutThem) {
  const Config config;
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  FusedStep step(*model, *optimizer, *communicator, config);
  const Faces faces = Faces::noise(2);
  PerSplit<std::vector<int32_t>> copies;
  copies[Split::kTest] = {0, 1};
  const Evaluation apart =
      evaluate_copies_apart(step, dataset_of(faces, Split::kTest, copies), Split::kTest, *communicator);
  EXPECT_EQ(apart.copies(), 2);
  EXPECT_TRUE(std::isnan(apart.without_copies->accuracy()));
  EXPECT_TRUE(std::isnan(apart.without_copies->loss));
}

}  // namespace

}  // namespace fer_ddp
