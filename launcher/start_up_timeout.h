// How long ranks wait for each other where no configuration says it: until one is agreed on, and while a folder's lease
// is waited for, which may take longer than a step ever does.
#pragma once

#include <chrono>

namespace fer_ddp {

constexpr std::chrono::seconds kStartUpTimeout{300};

}  // namespace fer_ddp
