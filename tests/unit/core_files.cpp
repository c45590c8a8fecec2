#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/exact_number.h"
#include "core/run_log.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

TEST(AtomicFile, ReplacesWhatStoodThereAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "a", std::string_view("one"));
  write_file_atomically(folder.path() / "a", std::string_view("two"));
  EXPECT_EQ(read_file(folder.path() / "a"), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(AtomicFile, AFolderThatIsNotThereIsAnError) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_file_atomically(folder.path() / "absent" / "a", std::string_view("one")), Error);
}

TEST(AtomicFile, ReadingAFolderOrNothingIsTheUsersMistake) {
  const TemporaryFolder folder;
  EXPECT_THROW(static_cast<void>(read_file(folder.path())), Error);
  EXPECT_THROW(static_cast<void>(read_file(folder.path() / "absent")), Error);
}

TEST(AtomicFile, AReadingErrorIsNotTakenForTheFilesEnd) {
  // Nothing is mapped at address 0, where reading this process's memory begins: EIO.
  try {
    static_cast<void>(read_file("/proc/self/mem"));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kMachine);
    EXPECT_THAT(error.what(), testing::HasSubstr("/proc/self/mem: reading failed: Input/output error"));
  }
}

TEST(AtomicFile, AFileThatEndsBeforeItsSizeIsNotTakenForWhole) {
  // Linux gives such a file the size of a page, as one that shrinks while it is read would have.
  const std::filesystem::path file = "/sys/devices/system/cpu/online";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no /sys here";
  try {
    static_cast<void>(read_file(file));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kMachine);
    EXPECT_THAT(error.what(), testing::HasSubstr(" of 4,096 bytes"));
  }
}

TEST(AtomicFile, NoMoreIsReadThanIsAllowed) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "a", std::string(1000, 'x'));
  EXPECT_EQ(read_file(folder.path() / "a", 1000).size(), 1000U);
  for (const std::filesystem::path& path : {folder.path() / "a", std::filesystem::path("/dev/zero")})
    EXPECT_THROW(static_cast<void>(read_file(path, 999)), Error) << path;
}

TEST(AtomicFile, APipeIsReadToItsEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const std::string text(20'000, 'x');  // fits into a pipe
  ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  EXPECT_EQ(read_file("/dev/fd/" + std::to_string(ends[0])), text);
  close(ends[0]);
}

TEST(Checksum, OfAFileIsThatOfItsBytes) {
  const TemporaryFolder folder;
  const std::string bytes(3'000'000, 'x');
  write_file_atomically(folder.path() / "a", bytes);
  EXPECT_EQ(file_checksum(folder.path() / "a"), checksum(bytes));
  EXPECT_EQ(checksum(std::string_view()),
            "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing, from its specification
}

TEST(ExactNumber, EveryDoubleComesBack) {
  for (const double value :
       {0.1, 1.0 / 3.0, -2.5e-300, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
    EXPECT_EQ(exact_value(nlohmann::ordered_json::parse(exact_number(value).dump())), value);
  EXPECT_TRUE(std::isnan(exact_value(exact_number(std::nan("")))));
}

TEST(ExactNumber, NoOtherTextIsANumber) {
  for (const char* text : {"\"infinity\"", "\"\"", "\"1\"", "true", "null"})
    EXPECT_THROW(static_cast<void>(exact_value(nlohmann::ordered_json::parse(text))), nlohmann::json::exception)
        << text;
}

TEST(RunLog, WritesOneJsonObjectALine) {
  const TemporaryFolder folder;
  RunLog log(true);
  log.open_file(folder.path() / "log.jsonl");
  log.info("epoch", "line", {{"loss", 1.5}});
  log.warning("odd", "");
  const std::string text = read_file(folder.path() / "log.jsonl");
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["event"], "epoch");
  EXPECT_EQ(first["loss"], 1.5);
  EXPECT_EQ(first["level"], "info");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(AtomicFile, WithoutLeaveToPublishNothingIsWrittenAside) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "history.csv";
  std::ofstream(partial_path(path)) << "another process's";
  EXPECT_THROW(write_file_atomically(path, "mine", [] { throw machine_error("the folder was taken over"); }), Error);
  EXPECT_EQ(read_file(partial_path(path)), "another process's");
}

// As after a process was halted in the middle and another one has taken its place.
TEST(AtomicFile, WhatIsHalfWrittenIsNeverPublishedByTheNextWriterNorWrittenIntoItsFile) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "a";
  bool taken_over = false;
  const ByteSource halted = [&](const ByteSink& to) {
    to(std::as_bytes(std::span(std::string_view("halted"))));
    write_file_atomically(path, std::string_view("the next one's"));
    taken_over = true;
    to(std::as_bytes(std::span(std::string_view(" and gone on"))));
  };
  EXPECT_THROW(write_file_atomically(path, halted,
                                     [&] {
                                       if (taken_over) throw machine_error("taken over");
                                     }),
               Error);
  EXPECT_EQ(read_file(path), "the next one's");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace

}  // namespace fer_ddp
