#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/atomic_file.h"
#include "core/error.h"
#include "report/csv_fields.h"
#include "report/history.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

EpochRecord first_epoch() {
  return {.epoch = 0,
          .loss = 1.7320508,
          .accuracy = 0.25,
          .val_loss = 1.5,
          .val_accuracy = 1.0 / 3,
          .learning_rate = 0.001,
          .seconds = 12.5,
          .images_per_second = 2345.678};
}

std::string error_of(const std::string& text) {
  try {
    (void)parse_history(text, "history.csv");
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    return error.what();
  }
  return "no error";
}

TEST(History, AMetricIsWrittenWithSevenSignificantDigits) {
  EXPECT_EQ(history_csv(std::vector{first_epoch()}),
            "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n"
            "0,1.732051,0.25,1.5,0.3333333,0.001,12.5,2345.678\n");
}

TEST(History, ReadsBackWhatWasWritten) {
  const std::vector<EpochRecord> read =
      epoch_records(parse_history(history_csv(std::vector{first_epoch()}), "history.csv"));
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].epoch, 0);
  EXPECT_EQ(read[0].val_accuracy, 0.3333333);
  EXPECT_EQ(read[0].images_per_second, 2345.678);
}

TEST(History, TheFileIsReplacedAsAWhole) {
  const fs::path folder = fs::path(testing::TempDir()) / "history_is_replaced";
  fs::create_directories(folder);
  const fs::path path = folder / "history.csv";
  write_history(path, std::vector{first_epoch(), EpochRecord{.epoch = 1}});
  write_history(path, std::vector{first_epoch()});  // as on resuming from the checkpoint of epoch 0
  EXPECT_EQ(read_file(path), history_csv(std::vector{first_epoch()}));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST(History, AnEmptyMetricIsMissingAndNanIsNot) {
  const auto rows = parse_history("epoch,loss,val_loss\n0,,nan\n1,NA,NaN\n", "history.csv");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].loss, std::nullopt);
  EXPECT_EQ(rows[1].loss, std::nullopt);
  ASSERT_TRUE(rows[0].val_loss && rows[1].val_loss);
  EXPECT_TRUE(std::isnan(*rows[0].val_loss));
  EXPECT_TRUE(std::isnan(*rows[1].val_loss));
}

TEST(History, AColumnThatIsNotThereIsMissing) {
  EXPECT_EQ(parse_history("epoch,val_loss\n0,1.5\n", "history.csv")[0].val_accuracy, std::nullopt);
}

TEST(History, InfinityIsANumber) {
  const auto rows = parse_history("val_loss\ninf\n-inf\n", "history.csv");
  EXPECT_EQ(rows[0].val_loss, std::numeric_limits<double>::infinity());
  EXPECT_EQ(rows[1].val_loss, -std::numeric_limits<double>::infinity());
}

TEST(History, AnyOrderOfColumnsAndOtherColumnsAreTaken) {
  const auto rows = parse_history("val_loss,comment,epoch\n1.25,\"a, b\",4\n", "history.csv");
  EXPECT_EQ(rows[0].epoch, 4);
  EXPECT_EQ(rows[0].val_loss, 1.25);
}

TEST(History, ByteOrderMarkCarriageReturnsBlankLinesAndAMissingLastLineBreakAreTaken) {
  const auto rows = parse_history(
      "\xEF\xBB\xBF"
      "epoch, loss\r\n0, 1.5\r\n\r\n1, +1.25",
      "history.csv");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].loss, 1.25);
}

TEST(History, WithoutAColumnOfEpochsLinesCountFromZero) {
  const auto rows = parse_history("val_loss\n1\n2\n", "history.csv");
  EXPECT_EQ(rows[1].epoch, 1);
}

TEST(History, AHeaderAloneIsAHistoryOfNoEpoch) { EXPECT_TRUE(parse_history("epoch,loss\n", "history.csv").empty()); }

TEST(History, AWordForANumberIsReportedWithLineAndColumn) {
  EXPECT_EQ(error_of("epoch,loss,val_loss\n0,1,1\n1,1,low\n"),
            "history.csv, line 3, column val_loss: \"low\" is not a number");
}

TEST(History, ALineCutShortIsReported) {
  EXPECT_EQ(error_of("epoch,loss,val_loss\n0,1.2\n"), "history.csv, line 2: 2 fields, expected 3");
}

TEST(History, EpochsMustRise) {
  EXPECT_EQ(error_of("epoch,loss\n3,1\n3,1\n"), "history.csv, line 3, column epoch: epoch 3 follows epoch 3");
}

TEST(History, AnEpochIsAWholeNumberFromZero) {
  EXPECT_THAT(error_of("epoch,loss\n-1,1\n"), HasSubstr("\"-1\" is not an epoch"));
  EXPECT_THAT(error_of("epoch,loss\n0.5,1\n"), HasSubstr("\"0.5\" is not an epoch"));
}

TEST(History, AnotherKindOfFileIsRefused) {
  EXPECT_THAT(error_of("emotion,pixels,Usage\n0,1 2 3,Training\n"), HasSubstr("no column is called loss"));
  EXPECT_EQ(error_of(""), "history.csv: is empty, expected a history");
}

TEST(History, TwoColumnsOfOneNameAreRefused) {
  EXPECT_EQ(error_of("epoch,loss,loss\n0,1,2\n"), "history.csv, line 1: two columns are called loss");
}

TEST(History, WhatIsMissingIsNanInARecord) {
  const std::vector<EpochRecord> records = epoch_records(std::vector<HistoryRow>{{.epoch = 2, .val_loss = 1.5}});
  EXPECT_TRUE(std::isnan(records[0].loss));
  EXPECT_EQ(records[0].val_loss, 1.5);
  EXPECT_EQ(records[0].learning_rate, 0);
}

TEST(History, AnEpochThatWasNotValidatedHasEmptyFields) {
  const std::string csv = history_csv(std::vector{EpochRecord{.loss = 1.5, .accuracy = 0.25, .learning_rate = 0.1}});
  EXPECT_THAT(csv, HasSubstr("\n0,1.5,0.25,,,0.1,"));
  EXPECT_FALSE(parse_history(csv, "history.csv")[0].val_loss);
}

TEST(History, AValidationLossMayBeNan) {
  EXPECT_THAT(history_csv(std::vector{EpochRecord{.val_loss = -kNan, .val_accuracy = 0.25}}), HasSubstr(",nan,0.25,"));
}

TEST(History, NanIsWrittenAsNan) {
  EXPECT_THAT(history_csv(std::vector{EpochRecord{.loss = kNan}}), HasSubstr("\n0,nan,nan,"));
}

TEST(CsvFields, QuotesMayHoldCommasAndQuotes) {
  EXPECT_THAT(csv_fields(R"(a, "b,c" ,"say ""x""",)"), ElementsAre("a", "b,c", "say \"x\"", ""));
}

}  // namespace
}  // namespace fer_ddp
