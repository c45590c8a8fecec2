// Which form an input has, told by its content: people rename files, and browsers save error pages under any name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace fer_ddp {

enum class InputForm { kCsv, kGzip, kArchive, kFolder };

// How many of a file's first bytes recognize_form wants to see.
inline constexpr int64_t kFormHead = 4096;

// `head` is a file's beginning; never kFolder. Throws Error (the user's fault) that says what the file is, where it is
// known but not accepted.
[[nodiscard]] InputForm recognize_form(std::string_view head, const std::filesystem::path& path);

// Throws the Error (the user's fault) that says what to give instead of a folder that holds no pictures, but perhaps
// `csv_files`.
[[noreturn]] void refuse_folder(const std::filesystem::path& folder,
                                const std::vector<std::filesystem::path>& csv_files);

}  // namespace fer_ddp
