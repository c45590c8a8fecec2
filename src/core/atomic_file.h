// Files and folders that appear whole or not at all: written aside under a name that begins with a dot and ends in
// ".partial", fsynced, renamed, and the folder that holds them fsynced as well. A crash leaves at most a *.partial,
// never half a file under its final name.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/byte_sink.h"

namespace fer_ddp {

// Asked right before something takes its final name: throws, and nothing does, where this process may not do so any
// more. Empty: always.
using PublishCheck = std::function<void()>;

// Writes or replaces `path`. Throws Error naming the path and the system's reason, or what `check` throws.
void write_file_atomically(const std::filesystem::path& path, const ByteSource& content,
                           const PublishCheck& check = {});
void write_file_atomically(const std::filesystem::path& path, std::string_view text, const PublishCheck& check = {});

// Flushes a file's data, or a folder's entries, to the disk.
void sync_to_disk(const std::filesystem::path& path);

// Where a file or folder that will be called `final_path` is written aside.
[[nodiscard]] std::filesystem::path partial_path(const std::filesystem::path& final_path);

// Renames `partial_path(final_path)` to `final_path` and syncs the folder. What stood there under the final name must
// be gone.
void publish(const std::filesystem::path& final_path, const PublishCheck& check = {});

inline constexpr size_t kMostTextBytes = size_t{64} << 20;  // of what a person or a program writes as text
inline constexpr size_t kMostFileBytes = size_t{16} << 30;  // of weights and checkpoints

// The whole file, which may be a pipe. Throws Error naming the path: the user's fault where it cannot be opened, is a
// folder, or holds more than `most_bytes`, of which no more than those are read; the machine's where reading fails, or
// ends before what the system says is the file's size.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, size_t most_bytes = kMostFileBytes);

// Makes the folder and its parents. Throws Error (the user's fault) with the system's reason.
void make_folder(const std::filesystem::path& path);

// The outermost of `path` and its parents that is not there; empty: `path` is there. `path` is absolute.
[[nodiscard]] std::filesystem::path topmost_missing(std::filesystem::path path);

// Removes the folder `path` and its parents up to `topmost` while they are empty. An empty `topmost`: none.
void remove_empty_folders(std::filesystem::path path, const std::filesystem::path& topmost) noexcept;

}  // namespace fer_ddp
