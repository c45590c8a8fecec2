#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "core/expressions.h"
#include "core/text.h"

namespace fer_ddp {

namespace {

TEST(Text, DigitsAreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(35887), "35,887");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
}

TEST(Text, WhatSteersATerminalIsReplaced) {
  EXPECT_EQ(printable_text("Gesichter f\u00FCr dich/a.png"), "Gesichter f\u00FCr dich/a.png");
  EXPECT_EQ(printable_text("\x1B[31m\nx\x7F.png"), "\uFFFD[31m\uFFFDx\uFFFD.png");
  EXPECT_EQ(printable_text("\xC2\x9B"
                           "31m\xFF"),
            "\uFFFD31m\uFFFD");
  EXPECT_EQ(user_error("a\r\nerror: b").message(), "error: a\uFFFD\uFFFDerror: b");
}

TEST(Text, WideCharactersTakeTwoColumnsOfATerminal) {
  EXPECT_EQ(terminal_columns("f\u00FCr"), 3);
  EXPECT_EQ(terminal_columns("\u60C5\u7DD2 1"), 6);
  EXPECT_EQ(terminal_columns("e\u0301"), 1);  // a combining accent
  EXPECT_EQ(terminal_columns("a\xFF"), 2);
  EXPECT_EQ(terminal_columns(""), 0);
  EXPECT_EQ(fitted_to_columns("\u60C5\u7DD2", 6), "\u60C5\u7DD2  ");
  EXPECT_EQ(fitted_to_columns("\u60C5\u7DD2", 3), "\u60C5 ");
  EXPECT_EQ(fitted_to_columns("e\u0301x", 1), "e\u0301");
}

TEST(Text, TheFirstLineEndsBeforeTheLineBreak) {
  EXPECT_EQ(first_line("CUDA error: out of memory\nException raised from"), "CUDA error: out of memory");
  EXPECT_EQ(first_line("one line"), "one line");
  EXPECT_EQ(first_line(""), "");
}

TEST(Text, DurationsAreShort) {
  EXPECT_EQ(human_duration(8.2), "8 s");
  EXPECT_EQ(human_duration(200), "3 min 20 s");
  EXPECT_EQ(human_duration(7500), "2 h 05 min");
}

TEST(Text, NumbersThatAreNoneOrTooLargeAreNotRounded) {
  EXPECT_EQ(grouped_rounded(2345.4), "2,345");
  EXPECT_EQ(grouped_rounded(std::nan("")), "nan");
  EXPECT_EQ(grouped_rounded(HUGE_VAL), "inf");
  EXPECT_EQ(grouped_rounded(1e300), "1e+300");
  EXPECT_EQ(human_duration(std::nan("")), "ages");
  EXPECT_EQ(human_duration(1e300), "ages");
  EXPECT_EQ(human_duration(-HUGE_VAL), "0 s");
}

TEST(Text, NanHasNoSign) {
  EXPECT_EQ(fixed_text(-std::nan("")), "nan");
  EXPECT_EQ(fixed_text(1.23456), "1.2346");
}

TEST(Text, WhatIsNotUtf8IsReplacedByteByByte) {
  EXPECT_TRUE(is_utf8("a \u00e9 \u20ac \U0001F600"));
  EXPECT_EQ(utf8_text("caf\xe9"), "caf\uFFFD");
  EXPECT_EQ(utf8_text("\u20ac\xff\u20ac"), "\u20ac\uFFFD\u20ac");
  // A character cut short, an overlong slash, half a surrogate pair, beyond the last code point.
  for (const char* bad : {"\xe2\x82", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
  EXPECT_TRUE(is_utf8(utf8_text("\xe2\x82")));
}

TEST(Text, MetricsHaveSevenDigits) {
  EXPECT_EQ(metric_text(1.0 / 3.0), "0.3333333");
  EXPECT_EQ(metric_text(0.001), "0.001");
  EXPECT_EQ(metric_text(std::nan("")), "nan");
}

TEST(Text, TheNearestWordIsFoundWhereOneIsNear) {
  const std::array<std::string, 2> known = {"epochs", "loss"};
  EXPECT_EQ(nearest_word("epoch", known), "epochs");
  EXPECT_EQ(nearest_word("zzzzzzzzzzz", known), "");
}

TEST(Expressions, TheMajorityIsTheMostFrequentClass) {
  EXPECT_EQ(majority_class({3995, 436, 4097, 7215, 4830, 3171, 4965}), 3);
  EXPECT_EQ(majority_class({}), 0);
  EXPECT_EQ(total({1, 2, 3, 4, 5, 6, 7}), 28);
}

}  // namespace

}  // namespace fer_ddp
