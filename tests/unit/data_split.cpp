#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/split.h"

namespace fer_ddp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SeedSplit, Fer2013FallsIntoTheStudysSizes) {
  const SplitRows split = seed_split(35887);
  EXPECT_EQ(split[Split::kTrain].size(), 25120U);
  EXPECT_EQ(split[Split::kValidation].size(), 7179U);
  EXPECT_EQ(split[Split::kTest].size(), 3588U);
}

TEST(SeedSplit, IsSequentialAndCoversEveryRowOnce) {
  for (const int64_t rows : {0, 1, 2, 9, 10, 11, 99, 1000}) {
    const SplitRows split = seed_split(rows);
    int64_t next = 0;
    for (const Split part : kSplits) {
      for (const int32_t row : split[part]) EXPECT_EQ(row, next++);
    }
    EXPECT_EQ(next, rows);
  }
}

TEST(SeedSplit, OneRowIsValidation) {
  const SplitRows split = seed_split(1);
  EXPECT_THAT(split[Split::kTrain], IsEmpty());
  EXPECT_THAT(split[Split::kValidation], ElementsAre(0));
  EXPECT_THAT(split[Split::kTest], IsEmpty());
}

TEST(OfficialSplit, GoesByEachRowsUsageInSourceOrder) {
  const SplitRows split = official_split({Split::kTest, Split::kTrain, Split::kValidation, Split::kTrain});
  EXPECT_THAT(split[Split::kTrain], ElementsAre(1, 3));
  EXPECT_THAT(split[Split::kValidation], ElementsAre(2));
  EXPECT_THAT(split[Split::kTest], ElementsAre(0));
}

TEST(SplitRule, AnUnknownNameIsTheUsersFault) {
  EXPECT_EQ(parse_split_rule("seed"), SplitRule::kSeed);
  EXPECT_EQ(parse_split_rule("official"), SplitRule::kOfficial);
  try {
    (void)parse_split_rule("random");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_STREQ(error.what(), "split: \"random\" is not a split rule, expected seed or official");
  }
}

}  // namespace
}  // namespace fer_ddp
