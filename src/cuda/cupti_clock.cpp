#include "cuda/cupti_clock.h"

#include <cuda_runtime_api.h>
#include <cupti.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <new>

#include "core/error.h"
#include "cuda/cuda_error.h"

namespace fer_ddp {

namespace {

constexpr size_t kBufferBytes = size_t{4} << 20;
constexpr size_t kAlignment = 64;
// What a call was made for is told only beside the record of the call itself, of the runtime or, by libraries, of the
// driver.
constexpr std::array kKinds = {
    CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,    CUPTI_ACTIVITY_KIND_MEMCPY,  CUPTI_ACTIVITY_KIND_MEMSET,
    CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION, CUPTI_ACTIVITY_KIND_RUNTIME, CUPTI_ACTIVITY_KIND_DRIVER};
constexpr CUpti_ExternalCorrelationKind kNumbers = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0;

void check_cupti(CUptiResult result, const char* call) {
  if (result == CUPTI_SUCCESS) return;
  const char* text = nullptr;
  if (cuptiGetResultString(result, &text) != CUPTI_SUCCESS || text == nullptr) text = "unknown";
  throw machine_error(
      fmt::format("kernels cannot be timed: {}: {}", call, text),
      "Train without --profile. Another profiler may hold CUPTI, or the driver may not allow it to this "
      "user.");
}

// What CUPTI's own threads bring: buffers, whenever one is full.
struct Reader {
  std::mutex mutex{};
  KernelRecords records{};
  bool reads = false;
  bool lost = false;  // a buffer could not be had, or not be read
};
Reader& reader() {
  static Reader reader;
  return reader;
}

double seconds_between(uint64_t start, uint64_t end) { return 1e-9 * static_cast<double>(end - start); }

void add_record(const CUpti_Activity* record, KernelRecords& records) {
  switch (record->kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: {
      const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
      records.add_kernel(kernel->correlationId, kernel->name, seconds_between(kernel->start, kernel->end));
      break;
    }
    case CUPTI_ACTIVITY_KIND_MEMCPY: {
      const auto* copy = reinterpret_cast<const CUpti_ActivityMemcpy6*>(record);
      records.add_kernel(copy->correlationId, "copy", seconds_between(copy->start, copy->end));
      break;
    }
    case CUPTI_ACTIVITY_KIND_MEMSET: {
      const auto* fill = reinterpret_cast<const CUpti_ActivityMemset4*>(record);
      records.add_kernel(fill->correlationId, "fill", seconds_between(fill->start, fill->end));
      break;
    }
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION: {
      const auto* call = reinterpret_cast<const CUpti_ActivityExternalCorrelation*>(record);
      records.add_call(call->correlationId, static_cast<int64_t>(call->externalId));
      break;
    }
    default:
      break;
  }
}

void CUPTIAPI give_buffer(uint8_t** buffer, size_t* size, size_t* most_records) {
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(kAlignment, kBufferBytes));
  *size = *buffer == nullptr ? 0 : kBufferBytes;
  *most_records = 0;  // as many as it holds
}

void CUPTIAPI take_buffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  Reader& to = reader();
  const std::lock_guard lock(to.mutex);
  CUpti_Activity* record = nullptr;
  CUptiResult result = CUPTI_SUCCESS;
  try {
    while ((result = cuptiActivityGetNextRecord(buffer, valid, &record)) == CUPTI_SUCCESS)
      if (to.reads) add_record(record, to.records);
  } catch (const std::bad_alloc&) {
    to.lost = true;
  }
  if (result != CUPTI_SUCCESS && result != CUPTI_ERROR_MAX_LIMIT_REACHED) to.lost = true;
  std::free(buffer);
}

double attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

// Additions and multiplications a clock of a multiprocessor's matrix units, without sparsity, by NVIDIA's data
// sheets of A100, H100 and B200; 0: not known here.
double matrix_operations_a_clock(int capability, Precision precision) {
  if (precision == Precision::kFp32) return 0;
  const double share = precision == Precision::kTf32 ? 0.5 : 1;
  switch (capability) {
    case 80:
      return 2048 * share;
    case 90:
      return 4096 * share;
    case 100:
      return 8192 * share;
    default:
      return 0;
  }
}

}  // namespace

CuptiClock::CuptiClock(int device) : device_(device) {
  check_cupti(cuptiActivityRegisterCallbacks(give_buffer, take_buffer), "cuptiActivityRegisterCallbacks");
  for (const CUpti_ActivityKind kind : kKinds) check_cupti(cuptiActivityEnable(kind), "cuptiActivityEnable");
  begin(KernelRecords::kOutside);
  const std::lock_guard lock(reader().mutex);
  reader().records = {};
  reader().lost = false;
  reader().reads = true;
}

CuptiClock::~CuptiClock() {
  uint64_t last = 0;
  cuptiActivityPopExternalCorrelationId(kNumbers, &last);
  for (const CUpti_ActivityKind kind : kKinds) cuptiActivityDisable(kind);
  cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  const std::lock_guard lock(reader().mutex);
  reader().reads = false;
}

void CuptiClock::begin(int64_t call) {
  check_cupti(cuptiActivityPushExternalCorrelationId(kNumbers, static_cast<uint64_t>(call)),
              "cuptiActivityPushExternalCorrelationId");
}

void CuptiClock::end() {
  uint64_t last = 0;
  check_cupti(cuptiActivityPopExternalCorrelationId(kNumbers, &last), "cuptiActivityPopExternalCorrelationId");
}

KernelClock::Times CuptiClock::times() {
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  check_cupti(cuptiActivityFlushAll(0), "cuptiActivityFlushAll");
  size_t dropped = 0;
  check_cupti(cuptiActivityGetNumDroppedRecords(nullptr, 0, &dropped), "cuptiActivityGetNumDroppedRecords");
  const std::lock_guard lock(reader().mutex);
  if (reader().lost || dropped > 0)
    throw machine_error("kernels were not timed: CUPTI lost some of its records",
                        "Train a shorter run with --profile, or without it.");
  return reader().records.times();
}

DevicePeaks CuptiClock::peaks(Precision precision) const {
  const double clock = 1e3 * attribute(cudaDevAttrClockRate, device_);
  const double multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device_);
  const int capability = static_cast<int>(10 * attribute(cudaDevAttrComputeCapabilityMajor, device_) +
                                          attribute(cudaDevAttrComputeCapabilityMinor, device_));
  const double cores = capability == 75 || capability == 80 ? 64 : 128;  // of a multiprocessor, for fp32
  // Memory moves two words a clock.
  return {.bytes_per_second = 2e3 * attribute(cudaDevAttrMemoryClockRate, device_) *
                              attribute(cudaDevAttrGlobalMemoryBusWidth, device_) / 8,
          .operations_per_second = 2 * cores * multiprocessors * clock,
          .tensor_operations_per_second = matrix_operations_a_clock(capability, precision) * multiprocessors * clock};
}

}  // namespace fer_ddp
