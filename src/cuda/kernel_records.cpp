#include "cuda/kernel_records.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace fer_ddp {

namespace {

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> found(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                          &std::free);
  return status == 0 ? std::string(found.get()) : name;
}

void add(KernelClock::Time& to, const KernelClock::Time& time) {
  to.launches += time.launches;
  to.seconds += time.seconds;
}

// Of the steps as a whole where no call is known, or none but the step.
void count(KernelClock::Times& times, int64_t call, const std::string& name, const KernelClock::Time& time) {
  if (call == KernelRecords::kOutside) return;
  if (call == KernelClock::kStep) {
    add(times.of_steps[demangled(name)], time);
  } else {
    add(times.of_calls[call], time);
  }
}

}  // namespace

void KernelRecords::add_kernel(uint32_t api_call, const char* name, double seconds) {
  const KernelClock::Time time{.launches = 1, .seconds = seconds};
  if (const auto call = calls_.find(api_call); call != calls_.end()) {
    count(times_, call->second, name, time);
  } else {
    add(ran_[api_call][name], time);
  }
}

// An API call may start several kernels: what it was for stays known as long as the run.
void KernelRecords::add_call(uint32_t api_call, int64_t call) {
  calls_[api_call] = call;
  const auto ran = ran_.find(api_call);
  if (ran == ran_.end()) return;
  for (const auto& [name, time] : ran->second) count(times_, call, name, time);
  ran_.erase(ran);
}

KernelClock::Times KernelRecords::times() const {
  KernelClock::Times all = times_;
  for (const auto& [api_call, kernels] : ran_)
    for (const auto& [name, time] : kernels) count(all, KernelClock::kStep, name, time);
  return all;
}

}  // namespace fer_ddp
