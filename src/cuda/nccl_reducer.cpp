#include "cuda/nccl_reducer.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>

#include "comm/waited_time.h"
#include "core/host.h"
#include "cuda/cuda_error.h"

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;

// NCCL's own threads take some ten microseconds to start a collective, and each call is waited for: a sleep, and what
// the kernel adds to it, would be most of that wait. What takes longer than this is slept for.
constexpr std::chrono::microseconds kSpinTime{200};
constexpr std::chrono::microseconds kPollInterval{50};
// How long another rank that called the roll is given to end the job.
constexpr std::chrono::seconds kSilence{10};
// How long NCCL is given to abort, graphs to be destroyed and the streams to run dry; and of that, how long NCCL alone.
constexpr std::chrono::milliseconds kAbortTime{1500};
constexpr std::chrono::milliseconds kAbortLead{200};
constexpr const char* kAdvice = "Run again with NCCL_DEBUG=INFO: NCCL then says what it does and on which network.";

// What rank 0 tells the others before they connect; its failure must reach them, not leave them waiting.
struct Invitation {
  ncclUniqueId id{};
  int version = 0;
  ncclResult_t result = ncclSuccess;
  std::array<char, 256> reason{};
};

Invitation make_invitation() {
  Invitation invitation;
  invitation.result = ncclGetVersion(&invitation.version);
  if (invitation.result == ncclSuccess) invitation.result = ncclGetUniqueId(&invitation.id);
  if (invitation.result != ncclSuccess)
    std::strncpy(invitation.reason.data(), ncclGetLastError(nullptr), invitation.reason.size() - 1);
  return invitation;
}

// Does `work`, which may block for ever, on a thread of its own, left behind if it does; says when it is done.
std::shared_ptr<const std::atomic<bool>> do_aside(std::function<void()> work) {
  const auto done = std::make_shared<std::atomic<bool>>(false);
  std::thread([done, work = std::move(work)] {
    work();
    *done = true;
  }).detach();
  return done;
}

}  // namespace

// Its event is the newest collective's at the time of its making: collectives end in the order of their start, so one
// event for all would do, but the compute stream would then wait for collectives that were started later.
class PendingNcclReduction final : public PendingReduction {
 public:
  explicit PendingNcclReduction(NcclReducer& reducer) : reducer_(reducer) {
    reducer_.check_runtime(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    reducer_.check_runtime(cudaEventRecord(done_, reducer_.stream_), "cudaEventRecord");
  }
  ~PendingNcclReduction() override { cudaEventDestroy(done_); }
  void wait() override {
    reducer_.check_runtime(cudaStreamWaitEvent(reducer_.compute_, done_, 0), "cudaStreamWaitEvent");
  }

 private:
  NcclReducer& reducer_;
  cudaEvent_t done_ = nullptr;
};

NcclReducer::NcclReducer(Communicator& host, int device, cudaStream_t compute, Seconds timeout)
    : host_(host), device_(device), compute_(compute), timeout_(timeout) {
  try {
    connect();
  } catch (...) {
    abort_nccl();  // no destructor follows a constructor that throws
    throw;
  }
}

NcclReducer::~NcclReducer() {
  abort_nccl();
  if (after_ != nullptr) cudaEventDestroy(after_);
  if (before_ != nullptr) cudaEventDestroy(before_);
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

void NcclReducer::connect() {
  Invitation invitation;
  if (host_.rank() == 0) invitation = make_invitation();
  host_.broadcast(std::as_writable_bytes(std::span(&invitation, 1)), 0);
  if (invitation.result != ncclSuccess)
    throw machine_error(fmt::format("rank 0: NCCL cannot start: {}: {}", ncclGetErrorString(invitation.result),
                                    invitation.reason.data()),
                        kAdvice);
  int version = 0;
  check(ncclGetVersion(&version), "ncclGetVersion", "connecting to NCCL");
  if (version != invitation.version)
    throw machine_error(fmt::format("{}has NCCL {}, rank 0 has {}", self(), version, invitation.version),
                        "LD_LIBRARY_PATH may put another libnccl.so.2 before the one that fer-ddp was built with.");
  check_runtime(cudaSetDevice(device_), "cudaSetDevice");
  // Above the compute stream: collectives are short, and what waits for them is long.
  int highest = 0;
  check_runtime(cudaDeviceGetStreamPriorityRange(nullptr, &highest), "cudaDeviceGetStreamPriorityRange");
  check_runtime(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, highest), "cudaStreamCreateWithPriority");
  check_runtime(cudaEventCreateWithFlags(&before_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  check_runtime(cudaEventCreateWithFlags(&after_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  host_.barrier();  // NCCL's own waiting begins for all at once
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  check(ncclCommInitRankConfig(&communicator_, host_.size(), invitation.id, host_.rank(), &config),
        "ncclCommInitRankConfig", "connecting to NCCL");
}

void NcclReducer::all_reduce(std::span<double> values, ReduceOperation operation) {
  start(values.data(), values.size(), ncclFloat64, operation == ReduceOperation::kSum ? ncclSum : ncclMax,
        "all-reduce of statistics");
  check_runtime(cudaEventRecord(after_, stream_), "cudaEventRecord");
  check_runtime(cudaStreamWaitEvent(compute_, after_, 0), "cudaStreamWaitEvent");
}

std::unique_ptr<PendingReduction> NcclReducer::start_sum(std::span<float> values) {
  start(values.data(), values.size(), ncclFloat32, ncclSum, "all-reduce of gradients");
  return std::make_unique<PendingNcclReduction>(*this);
}

std::unique_ptr<PendingReduction> NcclReducer::start_bfloat16_sum(std::span<uint16_t> values) {
  start(values.data(), values.size(), ncclBfloat16, ncclSum, "all-reduce of gradients");
  return std::make_unique<PendingNcclReduction>(*this);
}

void NcclReducer::start(const void* values, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                        const char* name) {
  check_runtime(cudaEventRecord(before_, compute_), "cudaEventRecord");
  check_runtime(cudaStreamWaitEvent(stream_, before_, 0), "cudaStreamWaitEvent");
  check(ncclAllReduce(values, const_cast<void*>(values), count, type, operation, communicator_, stream_),
        "ncclAllReduce", name);
}

void NcclReducer::wait_for_compute(const char* operation) {
  check_runtime(cudaEventRecord(before_, compute_), "cudaEventRecord");
  wait_for(before_, operation);
}

void NcclReducer::wait_for(cudaEvent_t event, const char* operation) {
  poll_until(
      [&] {
        const cudaError_t code = cudaEventQuery(event);
        if (code != cudaErrorNotReady) check_runtime(code, "cudaEventQuery");
        return code == cudaSuccess;
      },
      operation);
}

void NcclReducer::close() {
  wait_for_compute("the last wait for the GPU");
  take_graphs_().clear();
  check(ncclCommFinalize(communicator_), "ncclCommFinalize", "leaving NCCL");
  const ncclResult_t result = ncclCommDestroy(std::exchange(communicator_, nullptr));
  if (result != ncclSuccess) fail(result, "ncclCommDestroy", "leaving NCCL");
}

// A non-blocking call may answer ncclInProgress; nothing else may be asked of NCCL until that is over.
void NcclReducer::check(ncclResult_t result, const char* call, const char* operation) {
  if (result == ncclInProgress) {
    poll_until([&] { return state() == ncclSuccess; }, operation);
  } else if (result != ncclSuccess) {
    fail(result, call, operation);
  }
}

void NcclReducer::check_runtime(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  cudaGetLastError();
  abort_nccl();
  const Error error = cuda_error(code, call);
  throw machine_error(self() + error.what(), error.advice());
}

void NcclReducer::poll_until(const std::function<bool()>& done, const char* operation) {
  WaitedTime time;
  Seconds limit = timeout_;
  while (!done()) {
    const ncclResult_t now = state();
    if (now != ncclSuccess && now != ncclInProgress) fail(now, "ncclCommGetAsyncError", operation);
    const Seconds waited = time.so_far();
    if (host_.answer_roll_call()) limit = waited + kSilence;
    if (waited > limit) give_up(operation, waited);
    if (waited > kSpinTime) std::this_thread::sleep_for(kPollInterval);
  }
}

// The roll first: a rank that aborts answers no call, and would be taken for the one that hangs.
void NcclReducer::give_up(const char* operation, Seconds waited) {
  try {
    host_.give_up(fmt::format("{}{} waited {:.0f} s", self(), operation, waited.count()), kAdvice);
  } catch (const Error&) {
    abort_nccl();
    throw;
  }
}

ncclResult_t NcclReducer::state() const {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(communicator_, &state);
  return asked == ncclSuccess ? state : asked;
}

// Local: the other ranks come to their own deadline. What stood on the streams behind the aborted collective still
// runs, and must have, before its memory is freed; collectives of a graph stand on the compute stream.
//
// Two calls need each other, and either may block. ncclCommAbort ends the collectives that run, then waits for the end
// of all graphs that hold some (for ever, where one is being recorded). cudaGraphExecDestroy waits in the driver for as
// long as the graph runs, so for a rank that hangs. So NCCL goes first, and the graphs are destroyed when their
// collectives have had time to end.
void NcclReducer::abort_nccl() {
  if (communicator_ == nullptr) return;
  const Clock::time_point begin = Clock::now();
  const auto wait_while = [begin](const auto& condition, Clock::duration limit) {
    while (condition() && Clock::now() < begin + limit) std::this_thread::sleep_for(kPollInterval);
  };
  const auto busy = [](cudaStream_t stream) { return cudaStreamQuery(stream) == cudaErrorNotReady; };
  const auto aborted =
      do_aside([communicator = std::exchange(communicator_, nullptr)] { ncclCommAbort(communicator); });
  wait_while([&] { return !*aborted; }, kAbortLead);
  const auto destroyed = do_aside([graphs = std::make_shared<Graphs>(take_graphs_()), device = device_] {
    cudaSetDevice(device);
    graphs->clear();
  });
  wait_while([&] { return !*aborted || !*destroyed || (stream_ != nullptr && busy(stream_)) || busy(compute_); },
             kAbortTime);
  cudaGetLastError();
}

void NcclReducer::fail(ncclResult_t result, const char* call, const char* operation) {
  const std::string detail = ncclGetLastError(communicator_);
  abort_nccl();
  throw machine_error(fmt::format("{}{}: {}: {}{}{}", self(), operation, call, ncclGetErrorString(result),
                                  detail.empty() ? "" : ": ", detail),
                      kAdvice);
}

std::string NcclReducer::self() const { return fmt::format("rank {} on {}: ", host_.rank(), host_name()); }

}  // namespace fer_ddp
