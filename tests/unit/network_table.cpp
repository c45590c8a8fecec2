// Tables as text: what they mean, what their hash sees, and what is said of a bad one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/atomic_file.h"
#include "core/error.h"
#include "network/table.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Between braces that make it a table; the layers that follow lead to logits.
std::string table_of(const std::string& layers) {
  return "{\"layers\": [" + layers + R"(, {"flatten": {}}, {"dense": 7}]})";
}

std::string refusal(const std::string& table) {
  try {
    (void)parse_network(table, "mine.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    EXPECT_LT(error.message().size(), 600U);
    return error.message();
  }
  return "no refusal";
}

std::vector<std::string> shapes(const std::string& layers) {
  std::vector<std::string> texts;
  for_each_layer(parse_network(table_of(layers), "table").layers, [&](const Layer& layer) {
    texts.push_back(layer.place + " " + layer.name + " " + layer.output.text());
  });
  return texts;
}

TEST(Table, GivesEveryLayerItsShapeAndName) {
  EXPECT_THAT(shapes(R"({"convolution": 8, "padding": 1}, {"batch_norm": {}}, {"relu": {}},
                        {"residual": [{"convolution": 16, "stride": 2, "padding": 1}, {"batch_norm": {}}],
                         "shortcut": [{"average_pool": 2}, {"convolution": 16, "kernel": 1, "name": "way"}]},
                        {"max_pool": 5}, {"dropout": 0.25})"),
              ElementsAre("1 conv1 [8, 48, 48]", "2 bn1 [8, 48, 48]", "3  [8, 48, 48]", "4  [16, 24, 24]",
                          "4.1 conv2 [16, 24, 24]", "4.2 bn2 [16, 24, 24]", "4.shortcut.1  [8, 24, 24]",
                          "4.shortcut.2 way [16, 24, 24]", "5  [16, 4, 4]", "6  [16, 4, 4]", "7  [256]", "8 fc1 [7]"));
}

TEST(Table, AConvolutionRightBeforeABatchNormHasNoBiasUnlessItIsAskedFor) {
  const Network network = parse_network(
      table_of(R"({"convolution": 1}, {"batch_norm": {}}, {"convolution": 1, "bias": true}, {"batch_norm": {}},
                  {"convolution": 1}, {"relu": {}}, {"batch_norm": {}})"),
      "table");
  const auto bias = [&](size_t layer) { return std::get<layer::Convolution>(network.layers[layer].kind).bias; };
  EXPECT_FALSE(bias(0));
  EXPECT_TRUE(bias(2));
  EXPECT_TRUE(bias(4));
}

TEST(Table, CountsDropoutLayersInTheOrderOfReading) {
  const Network network = parse_network(
      table_of(
          R"({"dropout": 0.1}, {"residual": [{"dropout": 0.2}], "shortcut": [{"dropout": 0.3}]}, {"dropout": 0.4})"),
      "table");
  std::vector<int64_t> numbers;
  for_each_layer(network.layers, [&](const Layer& layer) {
    if (const auto* dropout = std::get_if<layer::Dropout>(&layer.kind)) numbers.push_back(dropout->number);
  });
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2, 3));
}

TEST(Table, SaysEverythingWhenItIsWritten) {
  for (const BuiltInTable& built_in : built_in_tables()) {
    const Network network = load_network(built_in.name);
    const std::string written = network_to_json(network).dump(2);
    EXPECT_EQ(network_to_json(parse_network(written, "written")).dump(2), written);
    EXPECT_EQ(network_hash(parse_network(written, "written")), network_hash(network));
  }
}

TEST(Table, ItsHashSeesWhatIsComputedAndNothingElse) {
  const auto hash = [](const std::string& table) { return network_hash(parse_network(table, "table")); };
  const std::string plain = R"({"layers": [{"convolution": 2}, {"flatten": {}}, {"dense": 7}]})";
  EXPECT_EQ(hash(plain), hash(R"({"name": "a", "comment": ["b"], "input": "unit",
      "layers": [{"kernel": 3, "convolution": 2, "name": "conv1", "bias": true}, {"flatten": {}}, {"dense": 7}]})"));
  EXPECT_NE(hash(plain), hash(R"({"layers": [{"convolution": 2, "name": "c"}, {"flatten": {}}, {"dense": 7}]})"));
  EXPECT_NE(hash(plain), hash(R"({"layers": [{"convolution": 2, "padding": 1}, {"flatten": {}}, {"dense": 7}]})"));
  EXPECT_NE(hash(plain), hash(R"({"input": "standardize_image",
      "layers": [{"convolution": 2}, {"flatten": {}}, {"dense": 7}]})"));
}

TEST(Table, IsReadFromAFileWhoseStemNamesTheNetwork) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "mine.json", table_of(R"({"max_pool": 8})"));
  EXPECT_EQ(load_network((folder.path() / "mine.json").string()).name, "mine");
  EXPECT_THROW((void)load_network((folder.path() / "absent.json").string()), Error);
  EXPECT_THROW((void)read_network(folder.path()), Error);
}

TEST(Table, AFileThatIsTooLargeIsRefusedBeforeItIsRead) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "huge.json";
  std::ofstream(path) << "{";
  std::filesystem::resize_file(path, uint64_t{1} << 40);  // sparse
  EXPECT_THROW((void)read_network(path), Error);
}

TEST(Table, AWrongNameIsToldTheNearestOne) {
  try {
    (void)load_network("vgg8_61");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    EXPECT_THAT(error.message(), HasSubstr("Did you mean vgg8_16?"));
  }
}

TEST(Table, ABadOneIsToldFileLayerReasonAndShape) {
  EXPECT_EQ(refusal(table_of(R"({"max_pool": 2}, {"residual": [{"convolution": 4, "kernel": 25}]})")),
            "error: mine.json, layer 2.1 (convolution): a kernel of 25 x 25 does not fit into 24 x 24; the shape there "
            "is [1, 24, 24]\n  Take a smaller kernel, more padding, or pool less before.");
}

struct BadTable {
  std::string table;
  std::vector<std::string> said;
};

std::string nested(int depth) {
  std::string table = R"({"layers": [)";
  for (int i = 0; i < depth; ++i) table += R"({"residual": [)";
  table += R"({"relu": {}})";
  for (int i = 0; i < depth; ++i) table += "]}";
  return table + R"(, {"flatten": {}}, {"dense": 7}]})";
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::vector<BadTable> bad_tables() {
  const auto in_table = [](const std::string& layers, std::vector<std::string> said) {
    return BadTable{table_of(layers), std::move(said)};
  };
  return {
      {"", {"not valid JSON"}},
      {"{", {"not valid JSON"}},
      {"[]", {"not a JSON object"}},
      {"null", {"not a JSON object"}},
      {"\xFF\xFE{}", {"not valid JSON"}},
      {"{\"name\": \"\xC3\"}", {"not valid JSON"}},
      {R"({"layers": [{"dense": NaN}]})", {"not valid JSON"}},
      {R"({"layers": [{"dense": 1e999}]})", {"not valid JSON"}},
      {R"({"layers": [{"dense": 7},]})", {"not valid JSON"}},
      {table_of(R"({"relu": {}})") + std::string(1, '\0') + "x", {"a byte of zeros"}},
      {R"({})", {"layers is missing"}},
      {R"({"layers": {}})", {"layers is missing, or no list"}},
      {R"({"layers": []})", {"layers is missing"}},
      {R"({"layer": []})", {"unknown key \"layer\"", "Did you mean \"layers\"?"}},
      {R"({"layers": [{"flatten": {}}, {"dense": 7}], "layers": []})", {"given twice"}},
      {R"({"name": 3, "layers": [{"flatten": {}}, {"dense": 7}]})", {"name is 3"}},
      {R"({"name": "a\nb", "layers": [{"flatten": {}}, {"dense": 7}]})", {"name is"}},
      {R"({"input": "bytes", "layers": [{"flatten": {}}, {"dense": 7}]})", {"input is \"bytes\""}},
      {R"({"input": ["unit"], "layers": [{"flatten": {}}, {"dense": 7}]})", {"input is"}},
      {R"({"layers": [{"dense": 7}]})", {"layer 1 (dense)", "wants a row", "[1, 48, 48]"}},
      {R"({"layers": [{"flatten": {}}, {"dense": 8}]})", {"layer 2 (dense)", "must be {\"dense\": 7}", "[8]"}},
      {R"({"layers": [{"flatten": {}}, {"dense": 7}, {"relu": {}}]})", {"layer 3 (relu)", "must be {\"dense\": 7}"}},
      {R"({"layers": ["relu"]})", {"layer 1", "\"relu\" is no layer"}},
      {nested(30), {"nested more than"}},
      {nested(20'000), {"nested more than"}},
      {repeated("[", 100'000), {"nested more than"}},
      {"{\"comment\": " + repeated("{\"a\":", 100'000), {"nested more than"}},
      {std::string(size_t{2} << 20, ' '), {"bytes", "at most 1048576"}},
      {"{\"layers\": [{\"flatten\": {}}" + repeated(",{\"relu\": {}}", 1000) + ", {\"dense\": 7}]}",
       {"layer 1001", "more than 1000 layers"}},
      {"{\"layers\": [" + repeated("0,", 400'000) + "0]}", {"layer 1", "0 is no layer"}},
      in_table(R"({})", {"layer 1:", "no kind of layer", "none"}),
      in_table(R"({"conv": 8})", {"no kind of layer", "\"conv\""}),
      in_table(R"({"maxpool": 2})", {"Did you mean \"max_pool\"?"}),
      in_table(R"({"relu": {}, "flatten": {}})", {"relu and flatten in one layer"}),
      in_table(R"({"relu": {}, "relu": {}})", {"given twice"}),
      in_table(R"({"relu": null})", {"its value is null"}),
      in_table(R"({"relu": {"slope": 1}})", {"expected {}"}),
      in_table(R"({"relu": {}, "slope": 1})", {"relu has no option \"slope\""}),
      in_table(R"({"convolution": 8, "kernal": 5})", {"convolution has no option \"kernal\"", "\"kernel\""}),
      in_table(R"({"convolution": 0})", {"the number of channels is 0", "from 1 to 65536"}),
      in_table(R"({"convolution": -1})", {"is -1"}),
      in_table(R"({"convolution": 8.5})", {"is 8.5"}),
      in_table(R"({"convolution": 1e300})", {"is 1e+300"}),
      in_table(R"({"convolution": 18446744073709551615})", {"is 18446744073709551615"}),
      in_table(R"({"convolution": 9223372036854775808})", {"is 9223372036854775808"}),
      in_table(R"({"convolution": 4294967297})", {"is 4294967297"}),
      in_table(R"({"convolution": true})", {"is true"}),
      in_table(R"({"convolution": "8"})", {"is \"8\""}),
      in_table(R"({"convolution": [8]})", {"is [8]"}),
      in_table(R"({"convolution": {"channels": 8}})", {"expected a whole number"}),
      in_table(R"({"convolution": 8, "kernel": 49})", {"a kernel of 49 x 49 does not fit into 48 x 48"}),
      in_table(R"({"convolution": 8, "kernel": 0})", {"kernel is 0"}),
      in_table(R"({"convolution": 8, "kernel": [3, 3]})", {"kernel is [3,3]"}),
      in_table(R"({"convolution": 8, "stride": 0})", {"stride is 0"}),
      in_table(R"({"convolution": 8, "padding": -1})", {"padding is -1"}),
      in_table(R"({"convolution": 8, "padding": "same"})", {"padding is \"same\""}),
      in_table(R"({"convolution": 8, "bias": 1})", {"bias is 1", "true or false"}),
      in_table(R"({"convolution": 65536})", {"[65536, 46, 46] has 138,674,176 values"}),
      in_table(R"({"convolution": 65536, "kernel": 48}, {"convolution": 65536, "kernel": 1})",
               {"layer 2", "4,446,093,312 parameters"}),
      in_table(R"({"convolution": 1024, "kernel": 1024, "padding": 1024})", {"values an image"}),
      in_table(R"({"max_pool": 49})", {"a window of 49 x 49 does not fit", "[1, 48, 48]"}),
      in_table(R"({"max_pool": 0})", {"the side is 0"}),
      in_table(R"({"max_pool": {}})", {"the side is {}"}),
      in_table(R"({"global_average_pool": {}}, {"max_pool": 2})",
               {"layer 2 (max_pool)", "an image of features", "[1]"}),
      in_table(R"({"flatten": {}}, {"convolution": 2})", {"layer 2 (convolution)", "[2304]"}),
      in_table(R"({"flatten": {}}, {"global_average_pool": {}})", {"layer 2", "[2304]"}),
      in_table(R"({"batch_norm": 1})", {"its value is 1, expected an object"}),
      in_table(R"({"batch_norm": {"eps": 1}})", {"no option \"eps\""}),
      in_table(R"({"batch_norm": {}, "epsilon": 1e-3})", {"batch_norm has no option \"epsilon\""}),
      in_table(R"({"batch_norm": {"epsilon": 0}})", {"epsilon is 0, expected a number above 0"}),
      in_table(R"({"batch_norm": {"momentum": 1.5}})", {"momentum is 1.5"}),
      in_table(R"({"batch_norm": {"momentum": "0.1"}})", {"momentum is \"0.1\""}),
      in_table(R"({"batch_norm": {"scale": null}})", {"scale is null"}),
      in_table(R"({"dropout": 1})", {"the share is 1, expected a number at least 0 and below 1"}),
      in_table(R"({"dropout": -0.1})", {"the share is -0.1"}),
      in_table(R"({"dropout": {}})", {"the share is {}"}),
      in_table(R"({"flatten": {}}, {"dense": 0})", {"the number of units is 0"}),
      in_table(R"({"flatten": {}}, {"dense": 65537})", {"the number of units is 65537"}),
      in_table(R"({"residual": []})", {"it has no layers"}),
      in_table(R"({"residual": {}})", {"residual is {}"}),
      in_table(R"({"residual": [{"relu": {}}], "shortcut": 3})", {"shortcut is 3"}),
      in_table(R"({"residual": [{"convolution": 8, "padding": 1}]})",
               {"layer 1 (residual)", "end with [8, 48, 48], its shortcut with [1, 48, 48]"}),
      in_table(R"({"relu": {}, "shortcut": []})", {"relu has no option \"shortcut\""}),
      in_table(R"({"convolution": 2, "name": "a"}, {"convolution": 2, "name": "a"})",
               {"layer 2: the name \"a\" is layer 1's as well"}),
      in_table(R"({"residual": [{"batch_norm": {}, "name": "a"}], "shortcut": [{"relu": {}, "name": "a"}]})",
               {"layer 1.shortcut.1: the name \"a\" is layer 1.1's"}),
      in_table(R"({"convolution": 2}, {"convolution": 2, "name": "conv1"})",
               {"layer 1 (convolution)", "counts as conv1", "layer 2"}),
      in_table(R"({"convolution": 2, "name": ""})", {"its name is \"\""}),
      in_table(R"({"convolution": 2, "name": "a/b"})", {"its name is \"a/b\""}),
      in_table(R"({"convolution": 2, "name": "a b"})", {"its name is"}),
      in_table(R"({"convolution": 2, "name": "caf\u00e9"})", {"its name is"}),
      in_table(R"({"convolution": 2, "name": "a\u0000b"})", {"its name is"}),
      in_table("{\"convolution\": 2, \"name\": \"" + std::string(100'000, 'a') + "\"}", {"its name is"}),
      in_table("{\"" + std::string(100'000, 'a') + "\": 2}", {"no kind of layer"}),
      in_table(R"({"relu": {}, "name": 3})", {"its name is 3"}),
  };
}

TEST(Table, AHostileOneGetsOneClearMessage) {
  for (const BadTable& bad : bad_tables()) {
    const std::string message = refusal(bad.table);
    SCOPED_TRACE(bad.table.substr(0, 200));
    EXPECT_THAT(message, HasSubstr("error: mine.json"));
    EXPECT_THAT(message, ::testing::Not(HasSubstr("json.exception")));
    for (const std::string& part : bad.said) EXPECT_THAT(message, HasSubstr(part));
  }
}

}  // namespace

}  // namespace fer_ddp
