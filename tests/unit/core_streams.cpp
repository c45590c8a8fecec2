#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/run_log.h"
#include "core/standard_streams.h"
#include "temporary_folder.h"
#include "terminal.h"

namespace fer_ddp {
namespace {

constexpr const char* kWipe = "\r\x1b[K";

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

TEST(MessageStream, ALineWipesTheOneThatIsRedrawn) {
  const Terminal terminal(80);
  ASSERT_NE(terminal.stream(), nullptr);
  MessageStream messages(terminal.stream());
  messages.redraw("step 1");
  messages.redraw("step 2");
  EXPECT_EQ(terminal.drawn(), std::string(kWipe) + "step 1" + kWipe + "step 2");
  messages.say("warning: a line");
  EXPECT_EQ(terminal.drawn(), std::string(kWipe) + "warning: a line\r\n");
  messages.say("another");
  messages.wipe();
  EXPECT_EQ(terminal.drawn(), "another\r\n");
}

TEST(MessageStream, LinesOfOtherThreadsWipeItToo) {
  const Terminal terminal(80);
  ASSERT_NE(terminal.stream(), nullptr);
  MessageStream messages(terminal.stream());
  messages.redraw("step 1");
  std::thread([&] { messages.say("a line"); }).join();
  EXPECT_EQ(terminal.drawn(), std::string(kWipe) + "step 1" + kWipe + "a line\r\n");
}

TEST(MessageStream, WithoutATerminalLinesAreWrittenAsTheyAre) {
  const File file(std::tmpfile(), &std::fclose);
  MessageStream messages(file.get());
  messages.redraw("step 1");
  messages.say("a line");
  messages.wipe();
  EXPECT_EQ(std::ftell(file.get()), 7);
}

TEST(MessageStream, AFullDiskLosesLinesAndNothingElse) {
  const File full(std::fopen("/dev/full", "w"), &std::fclose);
  MessageStream messages(full.get());
  EXPECT_NO_THROW(messages.say("a line"));
  EXPECT_NO_THROW(messages.say("another"));
}

TEST(RunLog, BytesThatAreNotUtf8AreReplaced) {
  const TemporaryFolder folder;
  RunLog log(true);
  log.open_file(folder.path() / "log.jsonl");
  log.info("file", "", {{"path", "a\xff"}});
  std::ifstream file(folder.path() / "log.jsonl");
  EXPECT_EQ(nlohmann::json::parse(file).at("path"), "a\uFFFD");
}

TEST(RunLog, ANameInALineSteersNoTerminal) {
  ::testing::internal::CaptureStderr();
  RunLog log(false);
  log.info("file", "wrote \x1B[2J.html\nreport: a");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "wrote \uFFFD[2J.html\nreport: a\n");
}

TEST(RunLog, AFileThatCannotBeWrittenEndsNothing) {
  RunLog log(true);
  log.open_file("/dev/full");
  EXPECT_NO_THROW(log.info("one", ""));
  EXPECT_NO_THROW(log.info("two", ""));
}

}  // namespace
}  // namespace fer_ddp
