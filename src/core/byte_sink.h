// Bytes on their way to a file, piece by piece, so that what is written is never whole in memory.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace fer_ddp {

// Takes the next piece, which it does not keep.
using ByteSink = std::function<void(std::span<const std::byte>)>;

// Hands a file's or a tensor's bytes to a sink, in order. The same ones each time it is called.
using ByteSource = std::function<void(const ByteSink&)>;

}  // namespace fer_ddp
