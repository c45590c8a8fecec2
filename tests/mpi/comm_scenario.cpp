// A short life of a communicator in which one thing goes wrong, for tests/mpi/comm_faults; an error ends the job as it
// does in fer-ddp. Called with FAULT and RANK: that rank hangs before it starts MPI, in the middle, in a group of its
// own parity or at the end, or fails alone.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>

#include "comm/mpi_runtime.h"
#include "core/error.h"

namespace {

constexpr std::chrono::seconds kTimeout{2};

// Half a second of small collectives.
void sum_for_a_while(fer_ddp::Communicator& world) {
  for (int step = 0; step < 50; ++step) {
    std::array<float, 1> ones = {1.0F};
    world.all_reduce(std::span<float>(ones), fer_ddp::ReduceOperation::kSum);
    if (ones[0] != static_cast<float>(world.size())) throw fer_ddp::machine_error("a wrong sum");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// A rank alone in its group waits for nobody, but hears of the end.
void live_in_groups(fer_ddp::Communicator& ranks, bool faulty) {
  const std::unique_ptr<fer_ddp::Communicator> group = ranks.split(ranks.rank() % 2);
  sum_for_a_while(*group);
  if (faulty) ::pause();
  while (group->size() == 1) {
    group->answer_roll_call();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  sum_for_a_while(*group);
  group->close();
}

void live(fer_ddp::World& world, const std::string& fault, bool faulty) {
  fer_ddp::Communicator& ranks = world.communicator();
  const fer_ddp::NodeMemory memory = ranks.allocate_node_memory(1000);
  ranks.barrier();
  if (ranks.rank() == 0) fmt::print(stderr, "started\n");
  if (faulty && fault == "hang") ::pause();
  if (fault == "hang_in_group") live_in_groups(ranks, faulty);
  if (faulty && fault == "user_error") throw fer_ddp::user_error("row 7 is bad", "Mend it.");
  if (fault == "suspended") {
    // Whoever tests this stops all ranks meanwhile, for longer than the timeout.
    for (int i = 0; i < 3; ++i) sum_for_a_while(ranks);
  }
  sum_for_a_while(ranks);
  if (faulty && fault == "hang_at_end") ::pause();
}

}  // namespace

int main(int argument_count, char** arguments) {
  const std::string fault = argument_count > 1 ? arguments[1] : "none";
  const char* own = std::getenv("OMPI_COMM_WORLD_RANK");
  const bool faulty = argument_count > 2 && own != nullptr && std::string(arguments[2]) == own;
  if (faulty && fault == "hang_before_start") ::pause();
  try {
    fer_ddp::World world(kTimeout);
    try {
      live(world, fault, faulty);
      world.close();
    } catch (const fer_ddp::Error& error) {
      fmt::print(stderr, "rank {}: {}\n", world.communicator().rank(), error.message());
      world.communicator().abort(error.exit_code());
    }
  } catch (const fer_ddp::Error& error) {
    fmt::print(stderr, "{}\n", error.message());
    fer_ddp::end_job(error.exit_code());
  }
  fmt::print(stderr, "done\n");
}
