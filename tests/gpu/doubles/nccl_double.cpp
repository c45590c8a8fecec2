// A double of the NCCL calls that src/cuda makes, between processes of one host over POSIX shared memory. It follows
// the documented rules (non-blocking calls answer ncclInProgress, nothing may be called meanwhile, abort is local) and
// refuses what the real library refuses; where that one's behaviour is undefined (ranks that disagree about a
// collective), it says so. FER_DDP_DOUBLE_FAULT=KIND:RANK:K makes rank RANK misbehave in its K-th collective, from 1:
//   hang   it never starts on it           die    its process ends there
//   async  the connection breaks there     fail   the call itself is refused
//   noinit it never connects (K is 0)      stuck  it never starts on it, and then ncclCommAbort does not return either
// FER_DDP_DOUBLE_SLOW_MS: how long each call stays in progress.
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <nccl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "doubles.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kChunkBytes = size_t{64} << 10;
constexpr int kMostRanks = 8;

struct Description {
  int64_t collective, count, type, operation;
  friend bool operator==(const Description&, const Description&) = default;
};

struct Slot {
  std::atomic<int64_t> written, read;  // chunks so far
  Description description;
  char bytes[kChunkBytes];
};

struct Shared {
  std::atomic<int> joined;
  Slot slots[kMostRanks];
};

struct Fault {
  std::string kind;
  int rank = -1;
  int64_t collective = -1;
};

Fault configured_fault() {
  Fault fault;
  const char* text = std::getenv("FER_DDP_DOUBLE_FAULT");
  char kind[16] = "";
  long collective = -1;
  if (text != nullptr && std::sscanf(text, "%15[^:]:%d:%ld", kind, &fault.rank, &collective) == 3) {
    fault.kind = kind;
    fault.collective = collective;
  }
  return fault;
}

std::chrono::milliseconds call_time() {
  const char* text = std::getenv("FER_DDP_DOUBLE_SLOW_MS");
  return std::chrono::milliseconds(text == nullptr ? 0 : std::atoi(text));
}

thread_local std::string last_error;

ncclResult_t refuse(ncclResult_t result, const std::string& reason) {
  last_error = reason;
  return result;
}

}  // namespace

struct ncclComm {
  Shared* shared = nullptr;
  int rank = 0;
  int size = 0;
  bool blocking = true;
  std::atomic<bool> aborted{false};
  std::atomic<int> state{ncclSuccess};
  std::atomic<int> running{0};  // collectives on a stream
  bool in_call = false;         // until ncclCommGetAsyncError has said that the newest call is over
  bool finalizing = false;
  Clock::time_point busy_until{};
  std::atomic<int64_t> calls{0};  // collectives so far, those of a graph whenever it runs
  int64_t chunks = 0;
  std::thread joining{};

  // Polls until `done`; false where the communicator was aborted first.
  template <typename Condition>
  bool wait_for(const Condition& done) const {
    while (!done()) {
      if (aborted) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    return true;
  }
  void wait_for_abort() const {
    (void)wait_for([] { return false; });
  }
  bool meets(const Fault& fault, const char* kind, int64_t collective) const {
    return fault.kind == kind && fault.rank == rank && fault.collective == collective;
  }
  // What the real library does on a thread of its own: every call to a non-blocking communicator is in progress first.
  ncclResult_t begin_call() {
    if (blocking) return ncclSuccess;
    in_call = true;
    busy_until = Clock::now() + call_time();
    return ncclInProgress;
  }
  void look_at_call() {
    if (Clock::now() >= busy_until && !(finalizing && live_graphs > 0)) in_call = false;
  }
};

namespace {

// Its upper half of a float's bits, rounded to the nearest, ties to even; no NaN.
struct Bfloat16 {
  uint16_t bits;

  [[nodiscard]] float value() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
  friend bool operator<(Bfloat16 a, Bfloat16 b) { return a.value() < b.value(); }
  friend Bfloat16 operator+(Bfloat16 a, Bfloat16 b) {
    const auto sum = std::bit_cast<uint32_t>(a.value() + b.value());
    return {static_cast<uint16_t>((sum + 0x7fff + (sum >> 16 & 1)) >> 16)};
  }
};

template <typename T>
void combine(char* into, const char* from, size_t count, ncclRedOp_t operation) {
  auto* const sums = reinterpret_cast<T*>(into);
  const auto* const values = reinterpret_cast<const T*>(from);
  for (size_t i = 0; i < count; ++i)
    sums[i] = operation == ncclMax ? std::max(sums[i], values[i]) : sums[i] + values[i];
}

// One chunk: write, wait for all, add up in the order of the ranks, say that it was read. False: aborted, or broken.
bool reduce_chunk(ncclComm& self, const Description& description, char* values, size_t bytes) {
  const int64_t chunk = ++self.chunks;
  Slot* const slots = self.shared->slots;
  const auto all = [&](auto condition) {
    return std::all_of(slots, slots + self.size, [&](const Slot& slot) { return condition(slot); });
  };
  if (!self.wait_for([&] { return all([&](const Slot& slot) { return slot.read >= chunk - 1; }); })) return false;
  slots[self.rank].description = description;
  std::memcpy(slots[self.rank].bytes, values, bytes);
  slots[self.rank].written = chunk;
  if (!self.wait_for([&] { return all([&](const Slot& slot) { return slot.written >= chunk; }); })) return false;
  if (!all([&](const Slot& slot) { return slot.description == description; })) {
    self.state = ncclInvalidUsage;  // undefined in the real library
    return false;
  }
  std::memcpy(values, slots[0].bytes, bytes);
  for (int rank = 1; rank < self.size; ++rank) {
    const auto operation = static_cast<ncclRedOp_t>(description.operation);
    if (description.type == ncclFloat64) {
      combine<double>(values, slots[rank].bytes, bytes / sizeof(double), operation);
    } else if (description.type == ncclBfloat16) {
      combine<Bfloat16>(values, slots[rank].bytes, bytes / sizeof(Bfloat16), operation);
    } else {
      combine<float>(values, slots[rank].bytes, bytes / sizeof(float), operation);
    }
  }
  slots[self.rank].read = chunk;
  return true;
}

void run_collective(ncclComm& self, const Description& description, char* values, size_t bytes) {
  const Fault fault = configured_fault();
  if (self.meets(fault, "die", description.collective)) ::_exit(9);
  if (self.meets(fault, "async", description.collective)) self.state = ncclRemoteError;
  bool going = self.state == ncclSuccess && !self.meets(fault, "hang", description.collective) &&
               !self.meets(fault, "stuck", description.collective);
  for (size_t begin = 0; going && begin < bytes; begin += kChunkBytes)
    going = reduce_chunk(self, description, values + begin, std::min(kChunkBytes, bytes - begin));
  if (!going) self.wait_for_abort();
  --self.running;
}

void join(ncclComm& self) {
  if (self.meets(configured_fault(), "noinit", 0)) return self.wait_for_abort();
  ++self.shared->joined;
  if (!self.wait_for([&] { return self.shared->joined >= self.size; })) return;
  int expected = ncclInProgress;
  self.state.compare_exchange_strong(expected, ncclSuccess);
}

ncclResult_t release(ncclComm* self) {
  if (self->joining.joinable()) self->joining.join();
  while (self->running > 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
  ::munmap(self->shared, sizeof(Shared));
  delete self;
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSystemError:
      return "unhandled system error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "unhandled cuda error";
  }
}

const char* ncclGetLastError(ncclComm_t) { return last_error.c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  *id = {};
  std::snprintf(id->internal, sizeof(id->internal), "/fer-ddp-nccl-double-%d", ::getpid());
  ::shm_unlink(id->internal);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* out, int size, ncclUniqueId id, int rank, ncclConfig_t* config) {
  if (size < 1 || size > kMostRanks || rank < 0 || rank >= size)
    return refuse(ncclInvalidArgument, "rank or number of ranks out of range");
  if (config->magic != 0xcafebeef) return refuse(ncclInvalidArgument, "config was not set by NCCL_CONFIG_INITIALIZER");
  const int file = ::shm_open(id.internal, O_RDWR | O_CREAT, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Shared)) != 0) return refuse(ncclSystemError, "no shared memory");
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  auto* const self = new ncclComm;
  self->shared = static_cast<Shared*>(memory);
  self->rank = rank;
  self->size = size;
  self->blocking = config->blocking != 0;
  self->state = ncclInProgress;
  *out = self;
  self->joining = std::thread([self, name = std::string(id.internal)] {
    join(*self);
    if (self->rank == 0) ::shm_unlink(name.c_str());
  });
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t self, ncclResult_t* state) {
  if (self == nullptr) return refuse(ncclInvalidArgument, "no communicator");
  self->look_at_call();
  *state = self->in_call ? ncclInProgress : static_cast<ncclResult_t>(self->state.load());
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t self, cudaStream_t stream) {
  if (self == nullptr) return refuse(ncclInvalidArgument, "no communicator");
  if (self->in_call || self->state == ncclInProgress)
    return refuse(ncclInvalidArgument,
                  "Attempt to use communicator before the previous operation returned ncclSuccess");
  if (!is_device_memory(from) || from != to) return refuse(ncclInvalidArgument, "not the GPU's memory");
  if (type != ncclFloat32 && type != ncclFloat64 && type != ncclBfloat16)
    return refuse(ncclInvalidArgument, "the double knows three types");
  const size_t bytes = count * (type == ncclFloat64   ? sizeof(double)
                                : type == ncclFloat32 ? sizeof(float)
                                                      : sizeof(Bfloat16));
  const auto begin = [=] {
    ++self->running;
    return Description{++self->calls, static_cast<int64_t>(count), type, operation};
  };
  if (record_collective(stream)) {
    launch_on(stream, [=] { run_collective(*self, begin(), static_cast<char*>(to), bytes); });
  } else {
    if (self->meets(configured_fault(), "fail", self->calls + 1)) return refuse(ncclSystemError, "socket closed");
    launch_on(stream,
              [=, description = begin()] { run_collective(*self, description, static_cast<char*>(to), bytes); });
  }
  return self->size == 1 ? ncclSuccess : self->begin_call();  // a sum of one rank needs no thread
}

ncclResult_t ncclCommFinalize(ncclComm_t self) {
  self->finalizing = true;
  return self->begin_call();
}

ncclResult_t ncclCommDestroy(ncclComm_t self) {
  if (self->in_call || !self->finalizing)
    return refuse(ncclInvalidArgument, "destroyed before ncclCommFinalize had come to its end");
  return release(self);
}

// Blocks, on a non-blocking communicator too.
ncclResult_t ncclCommAbort(ncclComm_t self) {
  const Fault fault = configured_fault();
  while (fault.kind == "stuck" && fault.rank == self->rank) std::this_thread::sleep_for(std::chrono::seconds(1));
  self->aborted = true;
  while (live_graphs > 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
  return release(self);
}

}  // extern "C"
