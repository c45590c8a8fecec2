#include <gtest/gtest.h>

#include <limits>

#include "core/json_reader.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

std::string nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(JsonReader, TakesWhatIsNestedNoDeeperThanAllowed) {
  EXPECT_EQ(parse_json(nested(kDeepestJson)).size(), 1U);
  EXPECT_THROW(static_cast<void>(parse_json(nested(kDeepestJson + 1))), Json::exception);
  EXPECT_THROW(static_cast<void>(parse_json(std::string(1'000'000, '['))), Json::exception);
  EXPECT_THROW(static_cast<void>(parse_json(std::string(100, '{'))), Json::exception);
}

TEST(JsonReader, BracketsInTextsAreNotNested) {
  const std::string text = "\"\\\"" + std::string(100, '[') + "\"";
  EXPECT_EQ(parse_json(text).get<std::string>(), "\"" + std::string(100, '['));
}

TEST(JsonReader, AnObjectHasNoMoreKeysThanAllowed) {
  const auto object = [](size_t keys) {
    std::string text = "{";
    for (size_t i = 0; i < keys; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    return text + "}";
  };
  EXPECT_EQ(parse_json(object(kMostJsonKeys)).size(), kMostJsonKeys);
  EXPECT_THROW(static_cast<void>(parse_json(object(kMostJsonKeys + 1))), Json::exception);
}

TEST(JsonReader, AWholeNumberIsTakenWhereItFits) {
  EXPECT_EQ(whole_number<int>(parse_json("-2147483648")), std::numeric_limits<int>::min());
  EXPECT_EQ(whole_number<int64_t>(parse_json("9223372036854775807")), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(whole_number<size_t>(Json(3)), 3U);
}

TEST(JsonReader, NothingElseIsTakenForAWholeNumber) {
  for (const char* text :
       {"2147483648", "-2147483649", "18446744073709551615", "1.0", "1e300", "true", "\"1\"", "null", "[1]"})
    EXPECT_THROW(static_cast<void>(whole_number<int>(parse_json(text))), Json::exception) << text;
  EXPECT_THROW(static_cast<void>(whole_number<int64_t>(parse_json("9223372036854775808"))), Json::exception);
  EXPECT_THROW(static_cast<void>(whole_number<size_t>(parse_json("-1"))), Json::exception);
}

}  // namespace

}  // namespace fer_ddp
