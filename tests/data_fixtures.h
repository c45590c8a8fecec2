// Small inputs for the tests of data/: pictures that are a pure function of row and pixel, as fer2013.csv spells them,
// and a folder that goes away with its test.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/expressions.h"

namespace fer_ddp {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "fer-ddp-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline uint8_t made_pixel(int row, int pixel) {
  return static_cast<uint8_t>((row * 2654435761U + pixel * 40503U) >> 7);
}
inline int made_label(int row) { return row * 5 % kExpressionCount; }

inline std::string made_pixels(int row, int count = kImagePixels) {
  std::string text;
  for (int pixel = 0; pixel < count; ++pixel)
    text += fmt::format("{}{}", pixel == 0 ? "" : " ", made_pixel(row, pixel));
  return text;
}

// As in the real file: about eight in ten rows are Training, then PublicTest, then PrivateTest.
inline std::string made_usage(int row, int rows) {
  if (row < rows * 8 / 10) return "Training";
  return row < rows * 9 / 10 ? "PublicTest" : "PrivateTest";
}

inline std::string made_row(int row, int rows) {
  return fmt::format("{},{},{}", made_label(row), made_pixels(row), made_usage(row, rows));
}

inline std::string made_csv(int rows) {
  std::string text = "emotion,pixels,Usage\n";
  for (int row = 0; row < rows; ++row) text += made_row(row, rows) + "\n";
  return text;
}

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// The Error that `work` throws; a failure of the test where it throws none.
template <typename Work>
Error error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return machine_error("nothing was thrown");
}

// Names and bytes of all files below a folder, as one text.
inline std::string folder_content(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::string content;
  for (const auto& path : paths) {
    content += path.lexically_relative(folder).string() + "\n";
    if (std::filesystem::is_regular_file(path)) content += read_file(path);
  }
  return content;
}

}  // namespace fer_ddp
