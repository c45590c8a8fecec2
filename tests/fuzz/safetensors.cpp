// A safetensors file. What is taken is written back and read as the same tensors.
#include "model/safetensors.h"

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  is_taken([&] {
    const StoredTensors tensors = decode_safetensors(text_of(data, size), "fuzz.safetensors");
    std::string file;
    write_safetensors(sources_of(tensors), {}, [&file](std::span<const std::byte> bytes) {
      file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    const StoredTensors again = decode_safetensors(file, "again");
    require(file.size() <= 2 * size + 4096, "the tensors are more than the file");
    require(again.size() == tensors.size(), "tensors are lost");
    for (const auto& [name, tensor] : tensors) {
      require(again.at(name).shape == tensor.shape, "a shape changes");
      const auto values = std::as_bytes(std::span(tensor.values));  // NaN is not equal to itself
      const auto same = std::as_bytes(std::span(again.at(name).values));
      require(std::equal(values.begin(), values.end(), same.begin(), same.end()), "values change");
    }
  });
  return 0;
}
