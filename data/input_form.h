// Which form an input has, told by its content: people rename files, and browsers save error pages under any name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace fer_ddp {

enum class InputForm { kCsv, kGzip };

// How many of a file's first bytes recognize_form wants to see.
inline constexpr int64_t kFormHead = 4096;

// `head` is a file's beginning. Throws Error (the user's fault) that says what the file is, where it is known but not
// accepted.
[[nodiscard]] InputForm recognize_form(std::string_view head, const std::filesystem::path& path);

// Throws the Error (the user's fault) that says what to give instead of the folder.
[[noreturn]] void refuse_folder(const std::filesystem::path& folder);

}  // namespace fer_ddp
