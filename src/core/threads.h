// A piece of work done by several threads at once, for what does not use LibTorch's: files, texts, checksums.
#pragma once

#include <functional>

namespace fer_ddp {

// Calls work(0) .. work(threads - 1) at once, the first on the calling thread, and waits for all of them. Throws what
// the lowest of those that failed has thrown.
void run_in_threads(int threads, const std::function<void(int thread)>& work);

}  // namespace fer_ddp
