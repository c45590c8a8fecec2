// SIGTERM, SIGINT and SIGUSR1 ask a run to checkpoint and stop. The handler sets a lock-free atomic and nothing else;
// what comes of it is voted by all ranks at the next step boundary. A signal that comes twice (from the terminal and
// from mpirun) counts once; SIGQUIT and SIGKILL still end a process at once.
#pragma once

namespace fer_ddp {

// Installs the handlers for its lifetime and puts the former ones back.
class StopSignal {
 public:
  StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  ~StopSignal();

  // Has a signal come since the handlers were installed? Safe from any thread.
  [[nodiscard]] bool raised() const;
};

}  // namespace fer_ddp
