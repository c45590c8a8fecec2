// Mutates the built-in tables in many ways, as text and as trees, from a fixed seed: whatever comes out is a network
// whose own table makes the same network again, or is refused by one short Error of the user's.
// FER_DDP_FUZZ_ROUNDS sets how many tables are tried.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "core/error.h"
#include "core/random.h"
#include "network/table.h"
#include "network/tensors.h"

namespace fer_ddp {

namespace {

using nlohmann::json;

constexpr uint32_t kDefaultRounds = 4000;

uint32_t rounds() {
  const char* asked = std::getenv("FER_DDP_FUZZ_ROUNDS");
  return asked == nullptr ? kDefaultRounds : static_cast<uint32_t>(std::atoi(asked));
}

// Text that means something to a table, or has meant trouble to other parsers.
constexpr std::array<std::string_view, 32> kWords = {"{",
                                                     "}",
                                                     "[",
                                                     "]",
                                                     ",",
                                                     ":",
                                                     "\"",
                                                     "\\u0000",
                                                     "\\ud800",
                                                     "1e999",
                                                     "-0",
                                                     "NaN",
                                                     "null",
                                                     "true",
                                                     "1e300",
                                                     "99999999999999999999",
                                                     "-1",
                                                     "0",
                                                     "65536",
                                                     "\xEF\xBB\xBF",
                                                     "\xC3\x28",
                                                     "\"relu\"",
                                                     "\"residual\"",
                                                     "\"shortcut\"",
                                                     "\"name\"",
                                                     "\"dense\"",
                                                     "\"convolution\"",
                                                     "\"kernel\"",
                                                     "\"padding\"",
                                                     "\"max_pool\"",
                                                     "\"dropout\"",
                                                     "{\"residual\": ["};

void mutate_text(std::string& text, RandomStream& random) {
  const auto length = static_cast<uint32_t>(text.size());
  const uint32_t kind = random.next_below(6);
  if (length == 0 || kind == 0) {
    text.insert(random.next_below(length + 1), kWords[random.next_below(kWords.size())]);
    return;
  }
  const uint32_t at = random.next_below(length);
  const uint32_t run = random.next_below(std::min(length - at, 200U)) + 1;
  if (kind == 1) text[at] = static_cast<char>(random.next_below(256));
  if (kind == 2) text.erase(at, run);
  if (kind == 3) text.resize(at);
  if (kind == 4) text.insert(random.next_below(length), text.substr(at, run));
  if (kind == 5) text.replace(at, std::min(run, 3U), kWords[random.next_below(kWords.size())]);
}

// A value of the tree, each as likely as any other.
json& any_value(json& tree, RandomStream& random) {
  std::vector<json*> all = {&tree};
  for (size_t i = 0; i < all.size(); ++i)
    if (all[i]->is_structured())
      for (json& child : *all[i]) all.push_back(&child);
  return *all[random.next_below(static_cast<uint32_t>(all.size()))];
}

json odd_value(RandomStream& random) {
  const std::array<json, 16> values = {
      json(),           json(true),      json(0),        json(1),
      json(2),          json(49),        json(-1),       json(65536),
      json(UINT64_MAX), json(INT64_MIN), json(0.5),      json(1e300),
      json("conv1"),    json::array(),   json::object(), json{{"relu", json::object()}}};
  return values[random.next_below(values.size())];
}

// Trees that are still JSON come further into the reader than text does.
void mutate_tree(json& tree, RandomStream& random) {
  json& here = any_value(tree, random);
  const uint32_t kind = random.next_below(4);
  if (kind == 0) here = odd_value(random);
  if (kind == 1) here = json(any_value(tree, random));
  if (kind == 2 && here.is_array() && !here.empty()) here.erase(random.next_below(static_cast<uint32_t>(here.size())));
  if (kind == 3 && here.is_array()) here.push_back(odd_value(random));
  if (kind == 3 && here.is_object()) {
    constexpr std::array<const char*, 10> kKeys = {"name",  "kernel", "stride",   "padding",  "bias",
                                                   "dense", "relu",   "shortcut", "residual", "convolution"};
    here[kKeys[random.next_below(kKeys.size())]] = odd_value(random);
  }
}

// Where every value that a network has is looked at once.
void expect_sound(const Network& network) {
  const std::string written = network_to_json(network).dump();
  ASSERT_EQ(network_to_json(parse_network(written, "written")).dump(), written);
  int64_t values = 0;
  for (const NetworkTensor& tensor : network_tensors(network)) {
    ASSERT_GT(tensor.size(), 0);
    values += tensor.size();
  }
  ASSERT_LE(values, int64_t{1} << 28);
  for_each_layer(network.layers, [](const Layer& layer) {
    EXPECT_GT(layer.output.size(), 0);
    EXPECT_GE(product_flop(layer), 0);
  });
}

template <typename Change>
void fuzz(uint64_t seed, const Change& change) {
  uint32_t refused = 0;
  for (uint32_t round = 0; round < rounds(); ++round) {
    RandomStream random(seed, RandomPurpose::kAugmentation, round);
    const auto& tables = built_in_tables();
    const std::string sound(tables[random.next_below(static_cast<uint32_t>(tables.size()))].text);
    SCOPED_TRACE(fmt::format("round {}", round));
    try {
      expect_sound(parse_network(change(sound, random), "table"));
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(error.fault(), Fault::kUser) << error.what();
      ASSERT_LT(error.message().size(), 700U) << error.what();
    }
  }
  EXPECT_GT(refused, rounds() / 10);  // else the mutations are too tame
  EXPECT_LT(refused, rounds());       // or too wild
}

TEST(FuzzNetworkTable, MutatedTextIsReadOrRefused) {
  fuzz(1, [](std::string text, RandomStream& random) {
    for (uint32_t times = 1 + random.next_below(4); times > 0; --times) mutate_text(text, random);
    return text;
  });
}

TEST(FuzzNetworkTable, AMutatedTreeIsReadOrRefused) {
  fuzz(2, [](const std::string& text, RandomStream& random) {
    json tree = json::parse(text);
    for (uint32_t times = 1 + random.next_below(3); times > 0; --times) mutate_tree(tree, random);
    return tree.dump(-1, ' ', false, json::error_handler_t::replace);
  });
}

}  // namespace

}  // namespace fer_ddp
