// Memory that the ranks of one host share, held by whoever asked for it. Copies hold the same memory. Letting go of it
// communicates nothing: a communicator frees what all ranks of a host have let go of when it next allocates, and the
// rest in close(), which ends what handles lead to.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace fer_ddp {

class NodeMemory {
 public:
  NodeMemory() = default;  // none
  NodeMemory(std::span<std::byte> bytes, std::shared_ptr<const void> hold) : bytes_(bytes), hold_(std::move(hold)) {}

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_{};
  std::shared_ptr<const void> hold_{};
};

}  // namespace fer_ddp
