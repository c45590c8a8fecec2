#include "fibres.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace fer_ddp::cuda_on_host {

namespace {

namespace context = boost::context;

constexpr unsigned kWarp = 32;
constexpr size_t kStack = size_t{64} << 10;
constexpr size_t kGuard = 256;  // bytes behind shared memory that must stay as they are
constexpr unsigned char kPoison = 0xff;

enum class State : uint8_t { kRunning, kAtBlockBarrier, kAtWarpBarrier, kDone };

struct Thread {
  context::fiber fibre;
  context::fiber scheduler;
  Extent index;
  unsigned number = 0;  // in its block
  State state = State::kRunning;
  unsigned mask = 0;
  unsigned exchanges = 0;
  unsigned char shown[2][kExchangedBytes] = {};
};

// Stacks are kept from block to block.
class StackKeeper {
 public:
  context::stack_context allocate() {
    if (free_.empty()) free_.push_back(std::make_unique<unsigned char[]>(kStack));
    used_.push_back(std::move(free_.back()));
    free_.pop_back();
    context::stack_context stack;
    stack.size = kStack;
    stack.sp = used_.back().get() + kStack;
    return stack;
  }
  void free_all() {
    for (auto& stack : used_) {
#ifdef __SANITIZE_ADDRESS__
      // A fibre that an exception has ended leaves its frames marked: AddressSanitizer knows of no stack but the
      // thread's.
      ASAN_UNPOISON_MEMORY_REGION(stack.get(), kStack);
#endif
      free_.push_back(std::move(stack));
    }
    used_.clear();
  }

 private:
  std::vector<std::unique_ptr<unsigned char[]>> free_, used_;
};

struct StackOfKeeper {
  StackKeeper* keeper;
  context::stack_context allocate() const { return keeper->allocate(); }
  void deallocate(context::stack_context&) {}  // by the block, for all of its threads
};

// The kernel that runs.
struct Running {
  Extent grid, block_size, block;
  std::vector<Thread> threads;
  Thread* thread = nullptr;
  std::vector<unsigned char> shared;
  std::vector<unsigned> order;
  StackKeeper stacks;
  std::exception_ptr failure;
  std::mt19937_64 random{1};
  int64_t launches = 0;
};
Running& running() {
  static Running kernel;
  return kernel;
}

void wait_at(State barrier, unsigned mask) {
  Thread& self = *running().thread;
  self.state = barrier;
  self.mask = mask;
  self.scheduler = std::move(self.scheduler).resume();
}

void start(Thread& thread, const std::function<void()>& body) {
  thread.fibre = context::fiber(std::allocator_arg, StackOfKeeper{&running().stacks}, [&](context::fiber&& scheduler) {
    thread.scheduler = std::move(scheduler);
    try {
      body();
    } catch (const context::detail::forced_unwind&) {
      throw;
    } catch (...) {
      running().failure = std::current_exception();
    }
    thread.state = State::kDone;
    return std::move(thread.scheduler);
  });
}

// Lets lanes of a warp go on whose barrier all have reached that it is for.
bool release_warp(std::vector<Thread>& threads, unsigned first) {
  const unsigned lanes = std::min<unsigned>(kWarp, static_cast<unsigned>(threads.size()) - first);
  for (unsigned lane = 0; lane < lanes; ++lane) {
    const Thread& waiting = threads[first + lane];
    if (waiting.state != State::kAtWarpBarrier) continue;
    const unsigned mask = waiting.mask;
    const auto is_missing = [&](unsigned other) {
      const Thread& thread = threads[first + other];
      return (mask >> other & 1) != 0 && (thread.state != State::kAtWarpBarrier || thread.mask != mask);
    };
    bool all = true;
    for (unsigned other = 0; other < lanes; ++other) all = all && !is_missing(other);
    if (!all) continue;
    for (unsigned other = 0; other < lanes; ++other)
      if ((mask >> other & 1) != 0) threads[first + other].state = State::kRunning;
    return true;
  }
  return false;
}

bool release(std::vector<Thread>& threads) {
  bool moved = false;
  const auto count = static_cast<unsigned>(threads.size());
  for (unsigned first = 0; first < count; first += kWarp) moved = release_warp(threads, first) || moved;
  const auto is_waiting = [](const Thread& thread) { return thread.state == State::kAtBlockBarrier; };
  if (moved || !std::all_of(threads.begin(), threads.end(), is_waiting)) return moved;
  for (Thread& thread : threads) thread.state = State::kRunning;
  return true;
}

void run_block(const std::function<void()>& body) {
  Running& kernel = running();
  const unsigned count = kernel.block_size.x * kernel.block_size.y * kernel.block_size.z;
  kernel.threads = std::vector<Thread>(count);
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = kernel.threads[i];
    thread.number = i;
    thread.index = {i % kernel.block_size.x, i / kernel.block_size.x % kernel.block_size.y,
                    i / kernel.block_size.x / kernel.block_size.y};
    start(thread, body);
  }
  kernel.order.resize(count);
  std::iota(kernel.order.begin(), kernel.order.end(), 0U);
  std::shuffle(kernel.order.begin(), kernel.order.end(), kernel.random);
  for (unsigned done = 0; done < count;) {
    // Another order each time, for little: the drawn one from another place on.
    std::rotate(kernel.order.begin(), kernel.order.begin() + static_cast<ptrdiff_t>(kernel.random() % count),
                kernel.order.end());
    bool moved = false;
    for (const unsigned i : kernel.order) {
      Thread& thread = kernel.threads[i];
      if (thread.state != State::kRunning) continue;
      moved = true;
      kernel.thread = &thread;
      thread.fibre = std::move(thread.fibre).resume();
      if (kernel.failure) break;
      if (thread.state == State::kDone) ++done;
    }
    if (kernel.failure) break;
    moved = release(kernel.threads) || moved;
    if (!moved && done < count) {
      kernel.failure = std::make_exception_ptr(std::logic_error("a barrier that not all of its threads reach"));
      break;
    }
  }
  kernel.threads.clear();
  kernel.stacks.free_all();
  if (kernel.failure) std::rethrow_exception(std::exchange(kernel.failure, nullptr));
}

std::function<void(const Launch&)>& launch_observer() {
  static std::function<void(const Launch&)> observer;
  return observer;
}

}  // namespace

void set_order(uint64_t seed) { running().random.seed(seed); }

void observe_launches(std::function<void(const Launch&)> observer) { launch_observer() = std::move(observer); }

bool runs(const Launch& launch) {
  if (!launch_observer()) return true;
  launch_observer()(launch);
  return false;
}

void run_grid(Extent grid, Extent block, size_t shared_bytes, const std::function<void()>& body) {
  Running& kernel = running();
  ++kernel.launches;
  kernel.grid = grid;
  kernel.block_size = block;
  std::vector<unsigned> blocks(grid.x * grid.y * grid.z);
  std::iota(blocks.begin(), blocks.end(), 0U);
  std::shuffle(blocks.begin(), blocks.end(), kernel.random);
  for (const unsigned i : blocks) {
    kernel.block = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
    kernel.shared.assign(shared_bytes + kGuard, kPoison);  // NaN as a float, -1 as an integer
    run_block(body);
    if (!std::all_of(kernel.shared.begin() + static_cast<ptrdiff_t>(shared_bytes), kernel.shared.end(),
                     [](unsigned char byte) { return byte == kPoison; }))
      throw std::logic_error("shared memory written behind its end");
  }
}

int64_t launches() { return running().launches; }

const Extent& current_thread() { return running().thread->index; }
const Extent& current_block() { return running().block; }
const Extent& block_extent() { return running().block_size; }
const Extent& grid_extent() { return running().grid; }
unsigned lane() { return running().thread->number % kWarp; }
void* shared_bytes() { return running().shared.data(); }

void wait_for_block() { wait_at(State::kAtBlockBarrier, 0); }
void wait_for_warp(unsigned mask) { wait_at(State::kAtWarpBarrier, mask); }

void require_aligned(const void* address, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) throw std::logic_error("an address that is not aligned");
}

void next_exchange() { ++running().thread->exchanges; }

// A lane that is not there, of a block that ends within a warp, shows its own.
unsigned char* exchange_slot(unsigned of_lane) {
  Running& kernel = running();
  const Thread& self = *kernel.thread;
  const unsigned other = self.number / kWarp * kWarp + of_lane;
  Thread& shown = of_lane < kWarp && other < kernel.threads.size() ? kernel.threads[other] : *kernel.thread;
  return shown.shown[self.exchanges % 2];
}

}  // namespace fer_ddp::cuda_on_host
