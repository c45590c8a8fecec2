// One outcome for all ranks: work that may fail on any of them either succeeds everywhere or throws the same Error
// everywhere, so that no rank is left waiting in a collective and rank 0 can print what any rank found.
#pragma once

#include <functional>
#include <string>

#include "comm/communicator.h"
#include "core/error.h"

namespace fer_ddp {

// An Error that every rank throws alike: rank 0 prints it, and all end with its exit code.
class AgreedError : public Error {
 public:
  using Error::Error;
};

// Collective. Runs `local_work` on every rank (it must not communicate). If it threw on any rank, all ranks throw the
// AgreedError of the lowest such rank; where the world has more than one rank and the fault is the machine's, the text
// names rank and host.
void run_together(Communicator& communicator, const std::function<void()>& local_work);

// Collective. Runs `work` on rank 0 alone, under the same rule.
void run_on_rank_0(Communicator& communicator, const std::function<void()>& work);

// Collective. Every rank gets rank 0's text.
[[nodiscard]] std::string broadcast_text(Communicator& communicator, const std::string& text);

}  // namespace fer_ddp
