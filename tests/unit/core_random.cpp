#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"

namespace fer_ddp {

namespace {

// Known answer of Philox4x32-10 for an all-zero counter and key (Random123's kat_vectors).
TEST(RandomStream, IsPhilox) {
  const RandomStream stream(0, static_cast<RandomPurpose>(0), 0);
  EXPECT_EQ(stream.block(0), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

TEST(RandomStream, EveryPartOfTheKeyMatters) {
  const auto first = RandomStream(1, RandomPurpose::kDropout, 2, 3).block(0);
  EXPECT_NE(first, RandomStream(2, RandomPurpose::kDropout, 2, 3).block(0));
  EXPECT_NE(first, RandomStream(1, RandomPurpose::kShuffle, 2, 3).block(0));
  EXPECT_NE(first, RandomStream(1, RandomPurpose::kDropout, 3, 3).block(0));
  EXPECT_NE(first, RandomStream(1, RandomPurpose::kDropout, 2, 4).block(0));
  EXPECT_NE(first, RandomStream(1, RandomPurpose::kDropout, 2, 3 + (uint64_t{1} << 32)).block(0));
  EXPECT_EQ(first, RandomStream(1, RandomPurpose::kDropout, 2, 3).block(0));
}

TEST(RandomStream, UniformNumbersFillTheUnitInterval) {
  RandomStream stream(7, RandomPurpose::kDropout, 0);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const float number = stream.next_uniform();
    ASSERT_GE(number, 0.0F);
    ASSERT_LT(number, 1.0F);
    sum += static_cast<double>(number);
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(RandomStream, GoesToAnyOfItsNumbers) {
  RandomStream all(7, RandomPurpose::kDropout, 0);
  std::vector<uint32_t> numbers;
  for (int i = 0; i < 12; ++i) numbers.push_back(all.next());
  for (size_t i = 0; i < 12; ++i) {
    RandomStream one(7, RandomPurpose::kDropout, 0);
    one.next();
    one.go_to(i);
    EXPECT_EQ(one.next(), numbers[i]);
  }
  all.go_to((uint64_t{3} << 24) + 1);
  EXPECT_EQ(all.next(), RandomStream(7, RandomPurpose::kDropout, 0).block(3 << 22)[1]);
}

TEST(RandomStream, BoundedNumbersStayBelowTheirBound) {
  RandomStream stream(7, RandomPurpose::kShuffle, 0);
  std::array<int, 3> seen{};
  for (int i = 0; i < 3000; ++i) ++seen.at(stream.next_below(3));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(stream.next_below(1), 0U);
}

TEST(RandomPermutation, HoldsEveryNumberOnceInAnotherOrder) {
  std::vector<int32_t> order = random_permutation(1000, {3, RandomPurpose::kShuffle, 0});
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  std::vector<int32_t> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
  EXPECT_TRUE(random_permutation(0, {3, RandomPurpose::kShuffle, 0}).empty());
}

}  // namespace

}  // namespace fer_ddp
