// Main function of the multi-rank tests: starts the world, refuses any other size than the one CTest asked for,
// silences all but failures on all ranks but 0, and fails on every rank when a test failed on one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "tests/mpi/world.h"

namespace {

std::unique_ptr<fer_ddp::World> test_world;

// Prints what fails, and nothing else.
class FailuresOfRank : public ::testing::EmptyTestEventListener {
 public:
  explicit FailuresOfRank(int rank) : rank_(rank) {}
  void OnTestStart(const ::testing::TestInfo& test) override {
    test_ = fmt::format("{}.{}", test.test_suite_name(), test.name());
  }
  // Called with GoogleTest's own lock held: it must not be asked for the test here.
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fmt::print(stderr, "rank {}, {}, {}:{}: {}\n", rank_, test_,
               result.file_name() == nullptr ? "" : result.file_name(), result.line_number(), result.summary());
  }

 private:
  int rank_;
  std::string test_{};
};

int run_tests(fer_ddp::Communicator& communicator) {
  const char* expected = std::getenv("FER_DDP_EXPECTED_WORLD_SIZE");
  if (expected == nullptr || std::atoi(expected) != communicator.size()) {
    fmt::print(stderr, "the world has {} ranks, the test asked for {}\n", communicator.size(),
               expected ? expected : "none");
    return 1;
  }
  if (communicator.rank() != 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOfRank(communicator.rank()));
  }
  std::array<int64_t, 1> failed = {RUN_ALL_TESTS() != 0 ? 1 : 0};
  if (failed[0] != 0 && communicator.rank() != 0) fmt::print(stderr, "a test failed on rank {}\n", communicator.rank());
  communicator.all_reduce(std::span<int64_t>(failed), fer_ddp::ReduceOperation::kMax);
  return static_cast<int>(failed[0]);
}

}  // namespace

fer_ddp::Communicator& world_communicator() { return test_world->communicator(); }

int main(int argument_count, char** arguments) {
  ::testing::InitGoogleTest(&argument_count, arguments);
  test_world = std::make_unique<fer_ddp::World>(std::chrono::seconds(60));
  const int failed = run_tests(test_world->communicator());
  test_world->close();
  return failed;
}
