// What `fer-ddp status --watch` draws on a terminal, by the terminal's size and by what the run has to show.
#include "status/live_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include "status/braille_chart.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Characters, without escape sequences.
int width_of(const std::string& line) {
  int width = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\033') {
      i = line.find('m', i);
    } else if ((static_cast<unsigned char>(line[i]) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return width;
}

std::vector<EpochRecord> falling(int epochs) {
  std::vector<EpochRecord> history;
  for (int epoch = 0; epoch < epochs; ++epoch)
    history.push_back({.epoch = epoch,
                       .loss = 2.0 / (1 + epoch),
                       .accuracy = 0.1 * epoch / epochs,
                       .val_loss = 2.5 / (1 + epoch),
                       .val_accuracy = 0.05 * epoch / epochs});
  return history;
}

StatusSnapshot snapshot(int ranks, std::span<const EpochRecord> history) {
  StatusSnapshot status{.run = "exp", .phase = RunPhase::kTraining, .epochs = 50, .steps_per_epoch = 197};
  for (int rank = 0; rank < ranks; ++rank) status.ranks.push_back({rank, "node", "cpu, 1 thread"});
  status.epoch = static_cast<int>(history.size());
  if (!history.empty()) status.latest_epoch = status.best_epoch_by_loss = history.back();
  return status;
}

TEST(LiveView, NeverDrawsBeyondTheTerminal) {
  for (const int epochs : {0, 1, 2, 11, 300})
    for (const int ranks : {0, 1, 4, 5, 512})
      for (const int columns : {5, 40, 64, 80, 81, 200})
        for (const int rows : {2, 10, 18, 24, 60})
          for (const bool colours : {false, true}) {
            const std::vector<EpochRecord> history = falling(epochs);
            const std::vector<std::string> lines =
                lines_of(live_view(snapshot(ranks, history), history, "q quits", {columns, rows, colours}));
            EXPECT_LE(static_cast<int>(lines.size()), rows) << columns << " x " << rows << ", " << ranks << " ranks";
            for (const std::string& line : lines) EXPECT_LE(width_of(line), columns) << line;
            EXPECT_THAT(lines.back(), HasSubstr("q qui")) << columns << " x " << rows;
          }
}

TEST(LiveView, GivesEveryRankARowAndSaysHowManyThereWereNoRowsFor) {
  const std::vector<EpochRecord> history = falling(12);
  const std::string few = live_view(snapshot(3, history), history, "", {80, 24, false});
  for (const char* row : {"rank 0 ", "rank 1 ", "rank 2 "}) EXPECT_THAT(few, HasSubstr(row));
  const std::string many = live_view(snapshot(512, history), history, "", {80, 24, false});
  EXPECT_THAT(many, HasSubstr("ranks more"));
  EXPECT_THAT(many, HasSubstr("⠤"));  // which still leaves room for curves
}

TEST(LiveView, ShowsWhatIsNotANumberNowhere) {
  std::vector<EpochRecord> history = falling(3);
  history[1].val_loss = kNan;
  history[2] = {.epoch = 2, .loss = kInfinity, .accuracy = 0.2};
  const std::string view = live_view(snapshot(1, history), history, "", {80, 24, false});
  EXPECT_THAT(view, Not(HasSubstr("nan")));
  EXPECT_THAT(view, HasSubstr("val -"));
}

TEST(BrailleChart, PutsTheLargestValueOnTopAndTheSmallestAtTheBottom) {
  const TerminalCurve curve{.values = {3, 2, 1, 1, 1, 1, 1, 1, 1, 1}};
  const std::vector<std::string> lines = braille_chart({&curve, 1}, 40, 5);
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_THAT(lines.front(), StartsWith("3.0000 ┤⠣"));
  EXPECT_THAT(lines[4], StartsWith("1.0000 ┤"));
  EXPECT_THAT(lines[4], HasSubstr("⣀⣀⣀⣀"));
  EXPECT_THAT(lines.back(), HasSubstr("epoch 10"));
}

TEST(BrailleChart, DrawsAnyFiniteValues) {
  const double most = std::numeric_limits<double>::max();
  const TerminalCurve curve{.values = {most, -most, kNan, 0, kInfinity, 1e-300}};
  for (const std::string& line : braille_chart({&curve, 1}, 30, 4)) EXPECT_LE(width_of(line), 30) << line;
}

}  // namespace

}  // namespace fer_ddp
