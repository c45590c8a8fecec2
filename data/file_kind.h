// Kinds of files told by how they begin: people rename files, and browsers save error pages under any name. Pure
// functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

namespace fer_ddp {

// One that is known, but not taken: how it begins, and what to say of it.
struct FileKind {
  size_t offset;
  std::string_view mark;
  std::string_view is;
  std::string_view advice;
};

// The first of `kinds` that a file of this beginning is; null: none of them.
[[nodiscard]] inline const FileKind* find_kind(std::span<const FileKind> kinds, std::string_view head) {
  const auto found = std::find_if(kinds.begin(), kinds.end(), [head](const FileKind& kind) {
    return head.size() > kind.offset && head.substr(kind.offset).starts_with(kind.mark);
  });
  return found == kinds.end() ? nullptr : &*found;
}

[[nodiscard]] inline bool looks_like_html(std::string_view head) {
  const size_t begin = head.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && head[begin] == '<';
}

}  // namespace fer_ddp
