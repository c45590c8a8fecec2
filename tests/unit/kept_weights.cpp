#include "train/kept_weights.h"

#include <gtest/gtest.h>

namespace fer_ddp {

namespace {

// The weights of three epochs: the second has the lowest loss, the third the highest accuracy.
class KeptWeightsOfThreeEpochs : public ::testing::Test {
 protected:
  void SetUp() override {
    keep(1.5, 0.4, true);
    keep(1.2, 0.5, true);
    keep(1.3, 0.6, false);
  }

  // Runs an epoch that leaves its number in a weight.
  void keep(double loss, double accuracy, bool is_best) {
    const int epoch = static_cast<int>(history_.size());
    history_.push_back({.epoch = epoch, .val_loss = loss, .val_accuracy = accuracy});
    model_->store().weights()[0] = static_cast<float>(epoch);
    kept_.keep(history_, is_best, *model_);
  }

  [[nodiscard]] KeptEpoch last() const { return {2, std::make_shared<const StoredTensors>()}; }

  const Config config_;
  std::unique_ptr<Model> model_ = make_model(config_);
  std::vector<EpochRecord> history_;
  KeptWeights kept_;
};

TEST_F(KeptWeightsOfThreeEpochs, AreThoseOfTheBestByEachMeasure) {
  EXPECT_EQ(kept_.best->epoch, 1);
  EXPECT_EQ(kept_.lowest_loss->epoch, 1);
  EXPECT_EQ(kept_.highest_accuracy->epoch, 2);
}

TEST_F(KeptWeightsOfThreeEpochs, AreHeldOnceForAnEpoch) {
  EXPECT_EQ(kept_.best->weights, kept_.lowest_loss->weights);
  EXPECT_NE(kept_.best->weights, kept_.highest_accuracy->weights);
  EXPECT_EQ(kept_.weights_of(0), nullptr);
}

TEST_F(KeptWeightsOfThreeEpochs, AreReplacedByABetterEpochAlone) {
  const auto before = kept_.highest_accuracy->weights;
  keep(1.25, 0.6, false);  // an equal one is not better
  EXPECT_EQ(kept_.highest_accuracy->weights, before);
  keep(1.1, 0.55, true);
  EXPECT_EQ(kept_.lowest_loss->epoch, 4);
  EXPECT_EQ(kept_.highest_accuracy->epoch, 2);
}

TEST_F(KeptWeightsOfThreeEpochs, CandidatesAreThePlacesOfEachEpochAndTheKeptOneIsTheLast) {
  const auto candidates = candidate_epochs(history_, kept_, last(), 1);
  ASSERT_EQ(candidates.size(), 2U);
  EXPECT_EQ(candidates[0].epoch, 2);
  EXPECT_TRUE(candidates[0].highest_accuracy && candidates[0].last && !candidates[0].lowest_loss);
  EXPECT_EQ(candidates[1].epoch, 1);
  EXPECT_TRUE(candidates[1].lowest_loss && candidates[1].early_stopping_best && !candidates[1].last);
}

TEST_F(KeptWeightsOfThreeEpochs, ACandidateOfWhichNoWeightsWereKeptIsNamedWithoutThem) {
  kept_.highest_accuracy.reset();
  const auto candidates = candidate_epochs(history_, kept_, std::nullopt, 1);
  ASSERT_EQ(candidates.size(), 2U);
  EXPECT_EQ(candidates[0].epoch, 2);
  EXPECT_EQ(candidates[0].weights, nullptr);
}

TEST(KeptWeights, WithoutValidationTheLastEpochIsTheOnlyCandidate) {
  const std::vector<EpochRecord> history = {{.epoch = 0}, {.epoch = 1}};
  const auto candidates = candidate_epochs(history, {}, KeptEpoch{1, std::make_shared<const StoredTensors>()}, 1);
  ASSERT_EQ(candidates.size(), 1U);
  EXPECT_TRUE(candidates[0].last && !candidates[0].lowest_loss && !candidates[0].highest_accuracy);
}

}  // namespace

}  // namespace fer_ddp
