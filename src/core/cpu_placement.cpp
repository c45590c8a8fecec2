#include "core/cpu_placement.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <utility>

namespace fer_ddp {

namespace {

int read_number(const std::string& path, int otherwise) {
  std::ifstream file(path);
  int number = otherwise;
  return file >> number ? number : otherwise;
}

Cpu describe(int id) {
  constexpr int kMostCoresInPackage = 1 << 16;
  const std::string topology = fmt::format("/sys/devices/system/cpu/cpu{}/topology/", id);
  const int package = read_number(topology + "physical_package_id", 0);
  return {.id = id, .core = package * kMostCoresInPackage + read_number(topology + "core_id", id)};
}

bool launched_by_mpirun() {
  return std::getenv("OMPI_COMM_WORLD_LOCAL_RANK") != nullptr && std::getenv("SLURM_PROCID") == nullptr;
}

}  // namespace

std::vector<Cpu> take_node_share() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  // The parent is mpirun, or its daemon on this node: it was not narrowed as its ranks are.
  if (launched_by_mpirun() && sched_getaffinity(getppid(), sizeof(mask), &mask) == 0)
    sched_setaffinity(0, sizeof(mask), &mask);
  std::vector<Cpu> cpus;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) {
    for (int id = 0; id < CPU_SETSIZE; ++id)
      if (CPU_ISSET(id, &mask)) cpus.push_back(describe(id));
  }
  if (cpus.empty()) cpus.push_back({});
  return cpus;
}

std::set<int> physical_cores(const std::vector<Cpu>& cpus) {
  std::set<int> cores;
  for (const Cpu& cpu : cpus) cores.insert(cpu.core);
  return cores;
}

int fair_thread_count(const std::vector<std::set<int>>& ranks, size_t own) {
  std::vector<int> given(ranks.size(), 0);
  std::set<int> all;
  for (const std::set<int>& cores : ranks) all.insert(cores.begin(), cores.end());
  for (const int core : all) {
    // It goes to the rank that has the fewest so far; among those, to the one that has the least choice.
    std::optional<size_t> taker;
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      if (!ranks[rank].contains(core)) continue;
      if (!taker || std::pair(given[rank], ranks[rank].size()) < std::pair(given[*taker], ranks[*taker].size()))
        taker = rank;
    }
    ++given[*taker];
  }
  return std::max(1, given[own]);
}

void keep_freed_memory() {
  constexpr int kAlways = 1 << 30;
  mallopt(M_MMAP_THRESHOLD, kAlways);
  mallopt(M_TRIM_THRESHOLD, kAlways);
}

}  // namespace fer_ddp
