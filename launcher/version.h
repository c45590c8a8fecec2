// What `fer-ddp --version` prints: fer-ddp's own version and those of the libraries it runs with, for bug reports and
// for a look at what a bundle or a package holds.
#pragma once

#include <string>

namespace fer_ddp {

// Several lines, without a final newline. Starts neither MPI nor LibTorch.
[[nodiscard]] std::string version_text();

}  // namespace fer_ddp
