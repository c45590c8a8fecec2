// The cores of a machine shared fairly between its ranks, whatever the launcher bound them to. Open MPI's mpirun binds
// a rank, with all its threads, to a single core: the rank then takes back the mask that mpirun itself was given. Under
// srun the mask is Slurm's own share for the task and is kept: a rank may run on other cores than its neighbour, on the
// same, or on some of them. Threads are not pinned: two jobs on one machine would land on the same cores.
#pragma once

#include <cstddef>
#include <set>
#include <vector>

namespace fer_ddp {

// One logical CPU and the physical core that it is a hardware thread of.
struct Cpu {
  int id = 0;
  int core = 0;  // unique on the machine
  friend bool operator==(const Cpu&, const Cpu&) = default;
};

// Widens the calling thread's mask (threads made later inherit it) and returns the CPUs it may run on. Linux.
std::vector<Cpu> take_node_share();

[[nodiscard]] std::set<int> physical_cores(const std::vector<Cpu>& cpus);

// How many threads the rank at `own` should run: the cores that it may run on, each of which counts for one rank alone
// where several may run on it; at least one. `ranks`: the cores that each rank of this machine may run on. Pure.
[[nodiscard]] int fair_thread_count(const std::vector<std::set<int>>& ranks, size_t own);

// Keeps glibc from returning memory to the system and asking for it again in every step: large activations otherwise
// cost a page fault a page (measured by tests/bench/training.py: 1.3 to 1.7 times the images a second).
void keep_freed_memory();

}  // namespace fer_ddp
