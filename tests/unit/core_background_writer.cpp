#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/background_writer.h"
#include "core/error.h"

namespace fer_ddp {

namespace {

// Holds up whoever comes to it until it is opened.
class Gate {
 public:
  void open() { opened_.set_value(); }
  [[nodiscard]] std::function<void()> pass() const {
    return [open = open_] { open.wait(); };
  }

 private:
  std::promise<void> opened_;
  std::shared_future<void> open_ = opened_.get_future().share();
};

std::string thrown_by_finish(BackgroundWriter& writer) {
  try {
    writer.finish();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(BackgroundWriter, HasNothingToFinishAtFirst) {
  BackgroundWriter writer;
  writer.finish();
  EXPECT_FALSE(writer.failed());
}

TEST(BackgroundWriter, DoesOnePieceAfterTheOther) {
  std::vector<int> done;  // by whichever thread: two at once would show under a thread sanitizer
  BackgroundWriter writer;
  for (int piece = 0; piece < 100; ++piece) writer.add([&done, piece] { done.push_back(piece); });
  writer.finish();
  ASSERT_EQ(done.size(), 100U);
  for (int piece = 0; piece < 100; ++piece) EXPECT_EQ(done[static_cast<size_t>(piece)], piece);
}

TEST(BackgroundWriter, WhoAddsWaitsOnlyWhereTwoWaitAlready) {
  Gate gate;
  bool last_is_added = false;
  bool last_was_added_early = true;
  std::mutex mutex;
  BackgroundWriter writer;
  writer.add([&, wait = gate.pass()] {
    wait();
    const std::lock_guard lock(mutex);
    last_was_added_early = last_is_added;
  });
  writer.add([] {});
  writer.add([] {});
  std::jthread opener([&] { gate.open(); });  // these were added while it was closed
  writer.add([] {});
  {
    const std::lock_guard lock(mutex);
    last_is_added = true;
  }
  writer.finish();
  EXPECT_FALSE(last_was_added_early);
}

TEST(BackgroundWriter, FreesAPiecesMemoryBeforeItCountsAsDone) {
  auto memory = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = memory;
  BackgroundWriter writer;
  writer.add([memory = std::move(memory)] {});
  writer.finish();
  EXPECT_TRUE(seen.expired());
}

TEST(BackgroundWriter, HandsOverWhatWasThrown) {
  BackgroundWriter writer;
  writer.add([] { throw machine_error("the disk is full"); });
  EXPECT_EQ(thrown_by_finish(writer), "the disk is full");
  EXPECT_EQ(thrown_by_finish(writer), "the disk is full");
  EXPECT_TRUE(writer.failed());
}

TEST(BackgroundWriter, DoesNothingBehindAFailure) {
  Gate gate;
  bool was_done = false;
  BackgroundWriter writer;
  writer.add([wait = gate.pass()] {
    wait();
    throw machine_error("first");
  });
  writer.add([&] { was_done = true; });
  gate.open();
  EXPECT_EQ(thrown_by_finish(writer), "first");
  writer.add([&] { was_done = true; });
  EXPECT_EQ(thrown_by_finish(writer), "first");
  EXPECT_FALSE(was_done);
}

TEST(BackgroundWriter, EndsWithAllThatWasAdded) {
  Gate gate;
  int done = 0;
  std::jthread opener;
  {
    BackgroundWriter writer;
    writer.add([&, wait = gate.pass()] {
      wait();
      ++done;
    });
    writer.add([&] { ++done; });
    opener = std::jthread([&] { gate.open(); });
  }
  EXPECT_EQ(done, 2);
}

TEST(BackgroundWriter, EndsQuietlyAfterAFailure) {
  BackgroundWriter writer;
  writer.add([] { throw std::runtime_error("nobody asks"); });
}

}  // namespace

}  // namespace fer_ddp
