// Inflating gzipped files, in blocks, so that memory stays small. Several gzip members in a row are one text, as gzip
// has it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/source_file.h"

namespace fer_ddp {

// The first bytes of what the file inflates to, at most `length`. Throws Error (the user's fault) where they are
// damaged.
[[nodiscard]] std::string inflated_head(const SourceFile& file, int64_t length);

// Inflates `file` to a new file `to`; returns the checksum of the gzipped file (see block_checksum.h). Throws Error
// (the user's fault) where it is damaged or cut short.
[[nodiscard]] std::string inflate_to_file(const SourceFile& file, const std::filesystem::path& to);

}  // namespace fer_ddp
