// What is a host's own: its ranks and their shared memory. For four ranks on host1 and host2 (see tests/hosts/rig.py).
#include <gtest/gtest.h>

#include "core/host.h"
#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

TEST(Node, RanksOfAHostAreFoundAndCountedFromZero) {
  const Communicator& world = world_communicator();
  EXPECT_EQ(host_name(), world.rank() < 2 ? "host1" : "host2");
  EXPECT_EQ(world.node_size(), 2);
  EXPECT_EQ(world.node_rank(), world.rank() % 2);
}

TEST(Node, MemoryIsSharedOnAHostAndNotBetweenHosts) {
  Communicator& world = world_communicator();
  const NodeMemory held = world.allocate_node_memory(1 << 20);
  const std::span<std::byte> memory = held.bytes();
  const std::byte mark{static_cast<unsigned char>(world.rank() < 2 ? 1 : 2)};
  if (world.node_rank() == 1) memory.back() = mark;
  world.barrier();
  EXPECT_EQ(memory.back(), mark);
  if (world.rank() == 0) memory.front() = std::byte{7};
  world.barrier();
  EXPECT_EQ(memory.front(), world.rank() < 2 ? std::byte{7} : std::byte{0});
}

}  // namespace

}  // namespace fer_ddp
