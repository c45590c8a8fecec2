#include <gtest/gtest.h>

#include <numeric>

#include "comm/identity_communicator.h"
#include "core/expressions.h"
#include "model/weights.h"
#include "train/autograd_step.h"
#include "train/evaluator.h"

namespace fer_ddp {

namespace {

struct Faces {
  std::vector<uint8_t> images;
  std::vector<uint8_t> labels;
  std::vector<int32_t> rows;

  explicit Faces(int count)
      : images(static_cast<size_t>(count) * kImagePixels),
        labels(static_cast<size_t>(count)),
        rows(static_cast<size_t>(count)) {
    for (size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<uint8_t>(i % kExpressionCount);
      for (size_t pixel = 0; pixel < kImagePixels; ++pixel)
        images[i * kImagePixels + pixel] = static_cast<uint8_t>((pixel * (labels[i] + 1U) / 7U + i * 13U) % 256U);
    }
    std::iota(rows.begin(), rows.end(), 0);
  }

  [[nodiscard]] BatchShare batch() const {
    return {.images = images, .labels = labels, .rows = rows, .global_images = static_cast<int64_t>(rows.size())};
  }
};

TEST(GradientBuckets, CoverEveryParameterOnce) {
  const auto model = make_model({});
  const auto communicator = make_identity_communicator();
  EXPECT_EQ(GradientBuckets(model->store(), *communicator, 1).bucket_count(), model->store().parameters().size());
  EXPECT_EQ(GradientBuckets(model->store(), *communicator, size_t{1} << 30).bucket_count(), 1U);
}

TEST(AutogradStep, LearnsAFewFacesByHeart) {
  const Config config{.dropout = 0.0};
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().size());
  const auto communicator = make_identity_communicator();
  AutogradStep step(*model, *optimizer, *communicator, config);
  const Faces faces(14);
  const double first = step.run(faces.batch(), 0.001).loss;
  BatchSums last;
  for (int i = 0; i < 30; ++i) last = step.run(faces.batch(), 0.001);
  EXPECT_LT(last.loss, 0.1 * first);
  EXPECT_EQ(last.correct, 14);
}

TEST(AutogradStep, GivesTheSameBitsTwice) {
  const auto train = [] {
    const Config config;
    const auto model = make_model(config);
    const auto optimizer = make_optimizer(config, model->store().size());
    const auto communicator = make_identity_communicator();
    AutogradStep step(*model, *optimizer, *communicator, config);
    for (int i = 0; i < 3; ++i) step.run(Faces(10).batch(), 0.001);
    return copy_weights(*model).at("fc1.weight").values;
  };
  EXPECT_EQ(train(), train());
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
  const auto communicator = make_identity_communicator();
  const Faces faces(150);
  const Evaluation evaluation =
      evaluate(*model, {.images = faces.images, .labels = faces.labels}, config, *communicator);
  EXPECT_EQ(evaluation.images, 150);
  EXPECT_EQ(total(evaluation.true_counts()), 150);
  EXPECT_EQ(evaluation.true_counts()[0], 22);
  EXPECT_GT(evaluation.loss, 0.0);
}

}  // namespace

}  // namespace fer_ddp
