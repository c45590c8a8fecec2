#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/identity_communicator.h"
#include "data/copies.h"
#include "data/preprocess.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Pictures of the rows of made_csv(), by their numbers there.
struct Pictures {
  std::vector<uint8_t> images;
  std::vector<uint8_t> labels;

  explicit Pictures(const std::vector<int>& rows) : labels(rows.size()) {
    for (const int row : rows)
      for (int pixel = 0; pixel < kImagePixels; ++pixel) images.push_back(made_pixel(row, pixel));
  }
  [[nodiscard]] SplitView view() const { return {images, labels}; }
};

PerSplit<std::vector<int32_t>> copies_of(const SplitView& train, const SplitView& validation, const SplitView& test) {
  PerSplit<SplitView> splits;
  splits[Split::kTrain] = train;
  splits[Split::kValidation] = validation;
  splits[Split::kTest] = test;
  return copies_of_training_rows(splits);
}

TEST(Copies, RowsWithTheBytesOfATrainingRowAreFound) {
  const Pictures train({10, 11, 12, 11});
  const Pictures validation({20, 11, 21, 10});
  const Pictures test({30, 31, 12});
  const auto copies = copies_of(train.view(), validation.view(), test.view());
  EXPECT_THAT(copies[Split::kTrain], IsEmpty());
  EXPECT_THAT(copies[Split::kValidation], ElementsAre(1, 3));
  EXPECT_THAT(copies[Split::kTest], ElementsAre(2));
}

TEST(Copies, OnePixelsDifferenceMakesARowItsOwn) {
  const Pictures train({10});
  Pictures test({10, 10});
  ++test.images.back();
  const auto copies = copies_of(train.view(), {}, test.view());
  EXPECT_THAT(copies[Split::kTest], ElementsAre(0));
}

TEST(Copies, TheLabelDoesNotMatter) {
  const Pictures train({10});
  Pictures test({10});
  test.labels[0] = 5;
  EXPECT_THAT(copies_of(train.view(), {}, test.view())[Split::kTest], ElementsAre(0));
}

TEST(Copies, EqualRowsOfValidationAndTestAreNoneUnlessTrainingHasThem) {
  const Pictures train({10});
  const Pictures others({20, 20});
  const auto copies = copies_of(train.view(), others.view(), others.view());
  EXPECT_THAT(copies[Split::kValidation], IsEmpty());
  EXPECT_THAT(copies[Split::kTest], IsEmpty());
}

TEST(Copies, ALoadedDatasetKnowsThem) {
  const TemporaryFolder folder;
  std::string csv = made_csv(20);
  csv += fmt::format("3,{},PrivateTest\n", made_pixels(4));  // row 4 is Training
  csv += fmt::format("3,{},PublicTest\n", made_pixels(19));  // row 19 is PrivateTest
  write_text(folder / "faces.csv", csv);
  const auto communicator = make_identity_communicator();
  RunLog log(true);
  preprocess({.input = folder / "faces.csv", .output = folder / "shards", .split_rule = SplitRule::kOfficial},
             *communicator, log);
  const Dataset dataset = load_dataset(folder / "shards", *communicator);
  EXPECT_THAT(dataset.copies(Split::kTest), ElementsAre(2));
  EXPECT_THAT(dataset.copies(Split::kValidation), IsEmpty());
}

}  // namespace
}  // namespace fer_ddp
