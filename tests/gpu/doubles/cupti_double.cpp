// A double of the few calls of CUPTI's that src/cuda makes: records are what a test says a GPU has done, and come at a
// flush, in buffers of a few records. Each record is in a place of the largest one's size. It shows no times.
#include "cupti_double.h"

#include <cupti.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

union Record {
  CUpti_Activity any;
  CUpti_ActivityKernel10 kernel;
  CUpti_ActivityMemcpy6 copy;
  CUpti_ActivityExternalCorrelation call;
};

struct State {
  CUpti_BuffersCallbackRequestFunc give = nullptr;
  CUpti_BuffersCallbackCompleteFunc take = nullptr;
  std::vector<CUpti_ActivityKind> enabled{};
  std::vector<uint64_t> calls{};  // the stack of this thread, the innermost last
  std::vector<Record> records{};
  uint32_t api_calls = 0;
  bool refuses = false;
};
State& state() {
  static State state;
  return state;
}

bool is_enabled(CUpti_ActivityKind kind) {
  const auto& enabled = state().enabled;
  return std::find(enabled.begin(), enabled.end(), kind) != enabled.end();
}

void add(const Record& record) {
  if (is_enabled(record.any.kind)) state().records.push_back(record);
}

// As a companion of the call's own record alone.
void say_what_for() {
  if (state().calls.empty() || !is_enabled(CUPTI_ACTIVITY_KIND_RUNTIME)) return;
  Record record{};
  record.call.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
  record.call.externalKind = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0;
  record.call.externalId = state().calls.back();
  record.call.correlationId = state().api_calls;
  add(record);
}

void run_kernel(const char* name, uint64_t nanoseconds) {
  Record record{};
  record.kernel.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
  record.kernel.name = name;
  record.kernel.start = 1000;
  record.kernel.end = 1000 + nanoseconds;
  record.kernel.correlationId = state().api_calls;
  add(record);
}

}  // namespace

namespace cupti_double {

void launch(const char* name, uint64_t nanoseconds) {
  ++state().api_calls;
  say_what_for();
  run_kernel(name, nanoseconds);
}

void launch_known_late(const char* name, uint64_t nanoseconds) {
  ++state().api_calls;
  run_kernel(name, nanoseconds);
  say_what_for();
}

void launch_of_another_thread(const char* name, uint64_t nanoseconds) {
  ++state().api_calls;
  run_kernel(name, nanoseconds);
}

void copy(uint64_t nanoseconds) {
  ++state().api_calls;
  say_what_for();
  Record record{};
  record.copy.kind = CUPTI_ACTIVITY_KIND_MEMCPY;
  record.copy.end = nanoseconds;
  record.copy.correlationId = state().api_calls;
  add(record);
}

void refuse() { state().refuses = true; }
void reset() { state() = {}; }

}  // namespace cupti_double

extern "C" {

CUptiResult cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc give,
                                           CUpti_BuffersCallbackCompleteFunc take) {
  state().give = give;
  state().take = take;
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityEnable(CUpti_ActivityKind kind) {
  if (state().refuses) return CUPTI_ERROR_INSUFFICIENT_PRIVILEGES;
  state().enabled.push_back(kind);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityDisable(CUpti_ActivityKind kind) {
  std::erase(state().enabled, kind);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityPushExternalCorrelationId(CUpti_ExternalCorrelationKind, uint64_t id) {
  state().calls.push_back(id);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityPopExternalCorrelationId(CUpti_ExternalCorrelationKind, uint64_t* last) {
  if (state().calls.empty()) return CUPTI_ERROR_QUEUE_EMPTY;
  *last = state().calls.back();
  state().calls.pop_back();
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityFlushAll(uint32_t) {
  constexpr size_t kOfABuffer = 3;
  std::vector<Record> records;
  records.swap(state().records);
  for (size_t begin = 0; begin < records.size(); begin += kOfABuffer) {
    uint8_t* buffer = nullptr;
    size_t size = 0;
    size_t most = 0;
    state().give(&buffer, &size, &most);
    const size_t bytes = std::min(kOfABuffer, records.size() - begin) * sizeof(Record);
    if (size < bytes) return CUPTI_ERROR_OUT_OF_MEMORY;
    std::memcpy(buffer, records.data() + begin, bytes);
    state().take(nullptr, 0, buffer, size, bytes);
  }
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityGetNextRecord(uint8_t* buffer, size_t valid, CUpti_Activity** record) {
  uint8_t* next = *record == nullptr ? buffer : reinterpret_cast<uint8_t*>(*record) + sizeof(Record);
  if (next >= buffer + valid) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  *record = reinterpret_cast<CUpti_Activity*>(next);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext, uint32_t, size_t* dropped) {
  *dropped = 0;
  return CUPTI_SUCCESS;
}

CUptiResult cuptiGetResultString(CUptiResult, const char** text) {
  *text = "the double's reason";
  return CUPTI_SUCCESS;
}

}  // extern "C"
