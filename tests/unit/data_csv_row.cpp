#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "data/csv_row.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;

CsvColumns columns_of(const std::string& header) { return parse_csv_header(header, "fer2013.csv"); }

std::string reason_of(const std::string& row, const std::string& header = "emotion,pixels,Usage") {
  uint8_t label = 0;
  std::vector<uint8_t> image(kImagePixels);
  return parse_csv_row(row, columns_of(header), label, Image(image));
}

TEST(CsvHeader, ColumnsAreFoundByNameInAnyOrder) {
  const CsvColumns columns = columns_of("emotion, Usage, pixels\r");
  EXPECT_EQ(columns.count, 3);
  EXPECT_EQ(columns.emotion, 0);
  EXPECT_EQ(columns.usage, 1);
  EXPECT_EQ(columns.pixels, 2);
  EXPECT_EQ(columns.header, "emotion,Usage,pixels");
}

TEST(CsvHeader, AByteOrderMarkAndQuotesAreNoPartOfAName) {
  EXPECT_EQ(columns_of("\xEF\xBB\xBF\"emotion\",\"pixels\"").emotion, 0);
}

TEST(CsvHeader, OtherColumnsAreNotLookedAt) {
  EXPECT_EQ(reason_of("17,3," + made_pixels(0) + ",x,PublicTest", ",emotion,pixels,source,Usage"), "");
}

TEST(CsvHeader, AFileWithoutLabelsIsToldFromOneWithoutHeader) {
  EXPECT_STREQ(error_of([] { (void)columns_of("pixels"); }).what(),
               "fer2013.csv: has pixels but no emotion column, so its images are not labelled");
  const Error headless = error_of([] { (void)columns_of("0,70 80 82 72,Training"); });
  EXPECT_THAT(headless.what(), HasSubstr("its first line does not name the columns emotion and pixels"));
  EXPECT_EQ(headless.exit_code(), 2);
}

TEST(CsvRow, LabelAndPixelsAreRead) {
  uint8_t label = 0;
  std::vector<uint8_t> image(kImagePixels);
  EXPECT_EQ(
      parse_csv_row("6," + made_pixels(3) + ",Training\r\n", columns_of("emotion,pixels,Usage"), label, Image(image)),
      "");
  EXPECT_EQ(label, 6);
  EXPECT_EQ(image[2303], made_pixel(3, 2303));
}

TEST(CsvRow, QuotesAndBlanksAroundFieldsAreNoPartOfThem) {
  EXPECT_EQ(reason_of("\"6\",\" " + made_pixels(0) + "\" , Training "), "");
}

TEST(CsvRow, EachFlawHasItsReason) {
  const std::string pixels = made_pixels(0);
  EXPECT_EQ(reason_of("7," + pixels + ",Training"), "emotion is \"7\", expected 0 to 6");
  EXPECT_EQ(reason_of("-1," + pixels + ",Training"), "emotion is \"-1\", expected 0 to 6");
  EXPECT_EQ(reason_of("," + pixels + ",Training"), "emotion is \"\", expected 0 to 6");
  EXPECT_EQ(reason_of("3," + pixels + ",Validation"),
            "Usage is \"Validation\", expected Training, PublicTest or PrivateTest");
  EXPECT_EQ(reason_of("3," + pixels), "2 columns, expected 3");
  EXPECT_EQ(reason_of("3,1 2,3 4,Training"), "4 columns, expected 3");
  EXPECT_EQ(reason_of("garbage"), "1 column, expected 3");
}

}  // namespace
}  // namespace fer_ddp
