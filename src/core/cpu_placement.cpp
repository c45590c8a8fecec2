#include "core/cpu_placement.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

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

int fair_thread_count(const std::vector<Cpu>& cpus, int node_rank, int node_size) {
  std::set<int> cores;
  for (const Cpu& cpu : cpus) cores.insert(cpu.core);
  const auto count = static_cast<int>(cores.size());
  return std::max(1, count * (node_rank + 1) / node_size - count * node_rank / node_size);
}

void keep_freed_memory() {
  constexpr int kAlways = 1 << 30;
  mallopt(M_MMAP_THRESHOLD, kAlways);
  mallopt(M_TRIM_THRESHOLD, kAlways);
}

}  // namespace fer_ddp
