// The one exception type that leaves a function of fer-ddp on purpose. It carries what happened and where (one line),
// what to do about it (one line), and whose fault it is, from which the process's exit code follows: 2 for the user's
// mistake, 1 for ours or the machine's. Immutable, so safe to share between threads.
#pragma once

#include <stdexcept>
#include <string>

namespace fer_ddp {

enum class Fault { kMachine = 1, kUser = 2 };  // values are the exit codes

class Error : public std::runtime_error {
 public:
  Error(Fault fault, const std::string& what, std::string advice = {})
      : std::runtime_error(what), fault_(fault), advice_(std::move(advice)) {}

  [[nodiscard]] Fault fault() const noexcept { return fault_; }
  [[nodiscard]] int exit_code() const noexcept { return static_cast<int>(fault_); }
  [[nodiscard]] const std::string& advice() const noexcept { return advice_; }

  // "error: WHAT" and, where there is advice, a second line indented by two.
  [[nodiscard]] std::string message() const;

 private:
  Fault fault_;
  std::string advice_;
};

[[nodiscard]] inline Error user_error(const std::string& what, std::string advice = {}) {
  return {Fault::kUser, what, std::move(advice)};
}
[[nodiscard]] inline Error machine_error(const std::string& what, std::string advice = {}) {
  return {Fault::kMachine, what, std::move(advice)};
}

// "No such file or directory" for an errno value. Thread-safe.
[[nodiscard]] std::string errno_text(int error_number);

}  // namespace fer_ddp
