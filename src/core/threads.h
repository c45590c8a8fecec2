// Threads for what does not use LibTorch's: files, texts, checksums done by several at once, and services whose threads
// stand behind those that train.
#pragma once

#include <functional>

namespace fer_ddp {

// Calls work(0) .. work(threads - 1) at once, the first on the calling thread, and waits for all of them. Where the
// system gives no more threads, the calling one does their work as well. Throws what the lowest of those that failed
// has thrown.
void run_in_threads(int threads, const std::function<void(int thread)>& work);

// Calls work() on a thread of a lower priority (nice + 10) and waits for it; threads that it starts, and those start,
// inherit that. Throws what it has thrown.
void run_at_low_priority(const std::function<void()>& work);

}  // namespace fer_ddp
