// How ranks talk: the few collectives that a data-parallel trainer needs, behind one interface. Identity serves a world
// of one, MPI a world of many; callers never ask which. Collectives are to be called by every rank in the same order,
// from the thread that made the communicator. Each waits under a deadline and throws Error (the machine's fault) naming
// rank, host, operation and the ranks that did not come when it passes. No destructor communicates: close() does what
// is collective at the end.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/node_memory.h"
#include "comm/reducer.h"

namespace fer_ddp {

class Communicator : public Reducer {
 public:
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;       // how many there are
  [[nodiscard]] virtual int node_rank() const = 0;  // among the ranks of this host, from 0
  [[nodiscard]] virtual int node_size() const = 0;  // ranks on this host

  // "rank 3 on node7": who that rank is for people, by its number in the whole job.
  [[nodiscard]] virtual std::string name_of(int rank) const = 0;

  // Replaces the bound on every wait from now on.
  virtual void set_timeout(std::chrono::duration<double> timeout) = 0;

  virtual void barrier() = 0;

  // Every rank ends with the bytes of `root`.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;

  // Every rank ends with the element-wise result; it is bit-identical on all ranks.
  using Reducer::all_reduce;
  virtual void all_reduce(std::span<float> values, ReduceOperation operation) = 0;
  virtual void all_reduce(std::span<int64_t> values, ReduceOperation operation) = 0;

  // Every rank's text, by rank.
  [[nodiscard]] virtual std::vector<std::string> all_gather(std::string_view text) = 0;

  // Memory that the ranks of one host share, `bytes` long (all ranks of a host pass the same number), zeroed. Valid
  // while it is held, and no longer than until close(). Writers and readers are ordered by barrier().
  [[nodiscard]] virtual NodeMemory allocate_node_memory(size_t bytes) = 0;

  // A communicator of its own for the ranks that pass the same `color`, in the order of their ranks here, with the
  // timeout of this one. Its abort() ends the whole job, and a rank that does so is heard in every group. It is closed
  // by its ranks alone, and before this one.
  [[nodiscard]] virtual std::unique_ptr<Communicator> split(int color) = 0;

  // For those who wait for something else than this communicator while other ranks may call the roll: says that this
  // rank is there. Where another rank has called and will speak for all, true.
  virtual bool answer_roll_call() = 0;

  // Calls the roll after `waited`, "rank 0 on node1: all-reduce waited 60 s", and throws Error (the machine's fault)
  // that adds which ranks do not wait for anything; `advice` is for the case that all do.
  [[noreturn]] virtual void give_up(const std::string& waited, const std::string& advice) = 0;

  // Collective; the last call. Frees the node's memory, held or not.
  virtual void close() = 0;

  // Ends the whole job now, from any one rank, with this exit code. Does not return.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

}  // namespace fer_ddp
