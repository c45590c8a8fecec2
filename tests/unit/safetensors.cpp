#include "model/safetensors.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace fer_ddp {

namespace {

const StoredTensors kTensors = {{"a", {{2, 3}, {1, 2, 3, 4, 5, 6}}}, {"b", {{1}, {-0.5F}}}, {"empty", {{0, 4}, {}}}};

std::string encode_safetensors(const StoredTensors& tensors, const SafetensorsMetadata& metadata) {
  std::string file;
  write_safetensors(sources_of(tensors), metadata, [&](std::span<const std::byte> bytes) {
    file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return file;
}

TEST(Safetensors, ComesBackAsItWas) {
  const StoredTensors read = decode_safetensors(encode_safetensors(kTensors, {{"format", "pt"}}), "test");
  ASSERT_EQ(read.size(), kTensors.size());
  for (const auto& [name, tensor] : kTensors) {
    EXPECT_EQ(read.at(name).shape, tensor.shape);
    EXPECT_EQ(read.at(name).values, tensor.values);
  }
}

TEST(Safetensors, ATensorOfOtherBytesThanItsShapeSaysIsNotWritten) {
  const std::vector<float> two = {1, 2};
  const TensorSources sources = {{"a", {{3}, [&](const ByteSink& to) { to(std::as_bytes(std::span(two))); }}}};
  EXPECT_THROW(write_safetensors(sources, {}, [](std::span<const std::byte>) {}), Error);
}

TEST(Safetensors, EveryShorterFileIsRefused) {
  const std::string bytes = encode_safetensors(kTensors, {});
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THROW(static_cast<void>(decode_safetensors(std::string_view(bytes).substr(0, size), "test")), Error) << size;
}

TEST(Safetensors, HostileHeadersAreRefused) {
  const auto file = [](const std::string& header) {
    const uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + std::string(8, '\0');
  };
  for (const char* header : {"", "[]", "{\"a\": 3}", R"({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 8]}})",
                             R"({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}})",
                             R"({"a": {"dtype": "F32", "shape": [4611686018427387905], "data_offsets": [0, 4]}})",
                             R"({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}})",
                             R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}})",
                             R"({"a": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}})",
                             R"({"a": {"dtype": "F32", "shape": [2.5], "data_offsets": [0, 8]}})",
                             R"({"a": {"dtype": "F32", "shape": [1e300], "data_offsets": [0, 8]}})",
                             R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}})",
                             R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}})"})
    EXPECT_THROW(static_cast<void>(decode_safetensors(file(header), "test")), Error) << header;
}

// Else a small file could ask for any amount of memory.
TEST(Safetensors, TensorsThatShareTheirDataAreRefused) {
  const std::string header = R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                                 "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})";
  const uint64_t length = header.size();
  const std::string file =
      std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + std::string(8, '\0');
  EXPECT_THROW(static_cast<void>(decode_safetensors(file, "test")), Error);
}

}  // namespace

}  // namespace fer_ddp
