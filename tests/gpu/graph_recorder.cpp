#include "cuda/graph_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace fer_ddp {

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Writes down what is asked of it; may refuse to end.
class LoggedGraph final : public WorkGraph {
 public:
  LoggedGraph(std::vector<std::string>& log, bool refuses) : log_(log), refuses_(refuses) {}
  ~LoggedGraph() override { log_.emplace_back("destroy"); }
  void begin() override { log_.emplace_back("begin"); }
  void end() override {
    log_.emplace_back("end");
    if (refuses_) throw std::runtime_error("CUDA error: operation failed due to a previous error\nstack trace");
  }
  void replay() override { log_.emplace_back("replay"); }

 private:
  std::vector<std::string>& log_;
  bool refuses_;
};

class Recorded : public ::testing::Test {
 protected:
  void warm_up(int64_t key) {
    for (int run = 0; run < GraphRecorder::kRunsBeforeRecording; ++run) recorder_.run(key, [] {});
  }
  Error failure_of(const std::function<void()>& work) {
    try {
      recorder_.run(1, work);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return machine_error("");
  }

  std::vector<std::string> log_;
  bool refuses_ = false;
  GraphRecorder recorder_{[this] { return std::make_unique<LoggedGraph>(log_, refuses_); }};
};

TEST_F(Recorded, WorkRunsThreeTimesBeforeItIsRecordedOnceAndReplayedFromThenOn) {
  for (int run = 0; run < 5; ++run) recorder_.run(1, [this] { log_.emplace_back("work"); });
  EXPECT_THAT(log_, ElementsAre("work", "work", "work", "begin", "work", "end", "replay", "replay"));
}

TEST_F(Recorded, EachKeyHasItsOwnRunsAndItsOwnGraph) {
  warm_up(1);
  recorder_.run(2, [this] { log_.emplace_back("work of 2"); });
  recorder_.run(1, [this] { log_.emplace_back("work of 1"); });
  EXPECT_THAT(log_, ElementsAre("work of 2", "begin", "work of 1", "end", "replay"));
}

TEST_F(Recorded, WhatCannotBeRecordedSaysWhyAndHowToDoWithout) {
  warm_up(1);
  const Error error = failure_of([] { throw std::runtime_error("operation not permitted\nException raised from"); });
  EXPECT_EQ(error.fault(), Fault::kMachine);
  EXPECT_THAT(error.what(), HasSubstr("could not be recorded as a CUDA graph: operation not permitted"));
  EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
  EXPECT_THAT(error.advice(), HasSubstr("cuda_graph to false"));
}

TEST_F(Recorded, ARecordingThatFailsIsEndedSoThatTheStreamIsOfUseAgain) {
  warm_up(1);
  refuses_ = true;
  (void)failure_of([this] {
    log_.emplace_back("work");
    throw std::runtime_error("failed");
  });
  EXPECT_THAT(log_, ElementsAre("begin", "work", "end", "destroy"));
}

TEST_F(Recorded, ARecordingThatDoesNotEndIsEndedOnce) {
  warm_up(1);
  refuses_ = true;
  EXPECT_THAT(failure_of([] {}).what(), HasSubstr("operation failed due to a previous error"));
  EXPECT_THAT(log_, ElementsAre("begin", "end", "destroy"));
}

TEST_F(Recorded, AnErrorOfTheWorkItselfComesOutAsItIs) {
  warm_up(1);
  const Error error = failure_of([] { throw machine_error("rank 1 on node2: training step waited 300 s", "advice"); });
  EXPECT_STREQ(error.what(), "rank 1 on node2: training step waited 300 s");
  EXPECT_EQ(error.advice(), "advice");
}

TEST_F(Recorded, GraphsThatWereTakenEndWithWhoeverTookThemAndWorkIsRecordedAnewWithoutFurtherRuns) {
  warm_up(1);
  recorder_.run(1, [] {});
  auto taken = recorder_.take();
  EXPECT_EQ(taken.size(), 1U);
  EXPECT_THAT(log_, Not(testing::Contains("destroy")));
  taken.clear();
  EXPECT_THAT(log_, testing::Contains("destroy"));
  log_.clear();
  recorder_.run(1, [] {});
  EXPECT_THAT(log_, ElementsAre("begin", "end", "replay"));
}

}  // namespace

}  // namespace fer_ddp
