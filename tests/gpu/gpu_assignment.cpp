#include "launcher/gpu_assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "comm/agreement.h"
#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;

// GPUs that this rank sees, by their bus ids.
class VisibleGpus final : public DevicePlugin {
 public:
  explicit VisibleGpus(std::vector<std::string> bus_ids) : bus_ids_(std::move(bus_ids)) {}
  [[nodiscard]] int device_count() override { return static_cast<int>(bus_ids_.size()); }
  [[nodiscard]] std::string device_identity(int device) override { return bus_ids_.at(static_cast<size_t>(device)); }
  [[nodiscard]] std::string device_name(int) override { return "a GPU"; }
  [[nodiscard]] std::unique_ptr<DeviceRuntime> make_runtime(Communicator&, int, std::chrono::duration<double>,
                                                            bool) override {
    return nullptr;
  }

 private:
  std::vector<std::string> bus_ids_;
};

std::string bus_id(int number) { return "0000:" + std::to_string(10 + number) + ":00.0"; }

VisibleGpus all_of_a_node(int count) {
  std::vector<std::string> bus_ids;
  for (int gpu = 0; gpu < count; ++gpu) bus_ids.push_back(bus_id(gpu));
  return VisibleGpus(bus_ids);
}

// The AgreedError of refuse_sharing, or "".
std::string refusal(const GpuAssignment& own) {
  try {
    refuse_sharing(own, world_communicator());
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    return error.message();
  }
  return "";
}

TEST(GpuAssignment, WhereAllTasksSeeAllEachTakesTheOneOfItsNumber) {
  Communicator& world = world_communicator();
  VisibleGpus gpus = all_of_a_node(4);
  const GpuAssignment choice = assign_gpu(gpus, world);
  EXPECT_EQ(choice.device, world.rank());
  EXPECT_EQ(choice.identity, bus_id(world.rank()));
  EXPECT_EQ(refusal(choice), "");
}

TEST(GpuAssignment, WhereEachTaskSeesOneOfItsOwnItsNumberIsNoReasonToRefuse) {
  Communicator& world = world_communicator();
  VisibleGpus mine({bus_id(world.rank())});
  const GpuAssignment choice = assign_gpu(mine, world);
  EXPECT_EQ(choice.device, 0);
  EXPECT_EQ(refusal(choice), "");
}

TEST(GpuAssignment, ARankBeyondTheNodesGpusIsRefusedWithBothNumbers) {
  Communicator& world = world_communicator();
  if (world.size() < 3) GTEST_SKIP() << "needs more than two ranks";
  try {
    run_together(world, [&] {
      VisibleGpus gpus = all_of_a_node(2);
      (void)assign_gpu(gpus, world);
    });
    ADD_FAILURE() << "no error";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(world.size()) + " ranks run on "));
    EXPECT_THAT(error.what(), HasSubstr("which has 2 GPUs"));
    EXPECT_THAT(error.advice(), HasSubstr("--ntasks-per-node"));
  }
}

TEST(GpuAssignment, NoVisibleGpuIsAMistakeThatNamesTheVariable) {
  VisibleGpus none({});
  try {
    (void)assign_gpu(none, world_communicator());
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    EXPECT_THAT(error.advice(), HasSubstr("CUDA_VISIBLE_DEVICES"));
  }
}

TEST(GpuAssignment, TwoRanksThatSeeTheSameOneAreRefusedOnEveryRankAlike) {
  Communicator& world = world_communicator();
  if (world.size() < 2) GTEST_SKIP() << "needs more than one rank";
  // The last rank sees the first one's: one GPU for all, or a mistake in CUDA_VISIBLE_DEVICES.
  VisibleGpus mine({bus_id(world.rank() % (world.size() - 1))});
  const std::string said = refusal(assign_gpu(mine, world));
  EXPECT_THAT(said,
              HasSubstr("ranks 0 and " + std::to_string(world.size() - 1) + " share one GPU: " + bus_id(0) + " on "));
  EXPECT_THAT(said, HasSubstr("MIG"));
}

// How NCCL is made to let two ranks share one, for tests.
TEST(GpuAssignment, DistinctHostIdsForNcclMakeOneGpuTwo) {
  Communicator& world = world_communicator();
  VisibleGpus one({bus_id(0)});
  setenv("NCCL_HOSTID", ("host" + std::to_string(world.rank())).c_str(), 1);
  EXPECT_EQ(refusal(assign_gpu(one, world)), "");
  setenv("NCCL_HOSTID", "host", 1);
  EXPECT_EQ(refusal(assign_gpu(one, world)).empty(), world.size() == 1);
  unsetenv("NCCL_HOSTID");
}

}  // namespace

}  // namespace fer_ddp
