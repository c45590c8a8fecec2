// One process, one communicator of one: what preprocess makes of each form of input, and of each broken one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "comm/identity_communicator.h"
#include "data/counts_table.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/source_file.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kRows = 150;

class Preprocess : public ::testing::Test {
 protected:
  Manifest run(const std::string& content, PreprocessOptions options = {}) {
    options.input = folder_ / "input.csv";
    if (options.output.empty()) options.output = folder_ / "shards";
    write_text(options.input, content);
    return preprocess(options, *communicator_, log_);
  }

  Dataset load() { return load_dataset(folder_ / "shards", *communicator_); }

  void expect_made_images(const Dataset& dataset, int rows = kRows) {
    int row = 0;
    for (const Split split : kSplits) {
      const SplitView& view = dataset.split(split);
      for (int64_t i = 0; i < view.size(); ++i, ++row) {
        EXPECT_EQ(view.labels[static_cast<size_t>(i)], made_label(row));
        for (int pixel = 0; pixel < kImagePixels; ++pixel)
          ASSERT_EQ(view.images[static_cast<size_t>(i * kImagePixels + pixel)], made_pixel(row, pixel))
              << "row " << row;
      }
    }
    EXPECT_EQ(row, rows);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
  RunLog log_{true};
};

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// More threads than chunks, fewer than chunks, and one.
TEST_F(Preprocess, TheNumberOfThreadsChangesNothing) {
  const std::string content = made_csv(1000);
  const auto bytes = [&](int threads) {
    run(content, {.shards = 2, .overwrite = true, .threads = threads});
    std::string all;
    for (const char* name : {"manifest.json", "shard-00000-of-00002.h5", "shard-00001-of-00002.h5"})
      all += read_file(folder_ / "shards" / name);
    return all;
  };
  const std::string one = bytes(1);
  expect_made_images(load(), 1000);
  for (const int threads : {2, 3, 40}) EXPECT_EQ(bytes(threads), one) << threads;
}

TEST_F(Preprocess, TheLowestBrokenRowIsNamedByAnyNumberOfThreads) {
  std::vector<std::string> lines;
  std::istringstream text(made_csv(1000));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  std::string content;
  for (size_t i = 0; i < lines.size(); ++i) content += (i == 300 || i == 301 || i == 900 ? "9" : "") + lines[i] + "\n";
  for (const int threads : {1, 2, 5}) {
    try {
      run(content, {.threads = threads});
      FAIL() << "a broken row was imported";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("row 300"));
    }
  }
}

TEST_F(Preprocess, EveryImageAndLabelArrivesInSourceOrder) {
  run(made_csv(kRows));
  expect_made_images(load());
}

TEST_F(Preprocess, TheManifestSaysWhatIsThere) {
  const Manifest manifest = run(made_csv(kRows), {.shards = 3});
  EXPECT_EQ(manifest, read_manifest(folder_ / "shards"));
  EXPECT_EQ(manifest.source.name, "input.csv");
  EXPECT_EQ(manifest.source.rows, kRows);
  EXPECT_EQ(manifest.source.bytes, static_cast<int64_t>(made_csv(kRows).size()));
  EXPECT_EQ(manifest.rows(Split::kTrain), 105);
  EXPECT_EQ(manifest.rows(Split::kValidation), 30);
  EXPECT_EQ(manifest.rows(Split::kTest), 15);
  EXPECT_EQ(manifest.shard_count(), 3);
  EXPECT_EQ(manifest.shards[2].file, "shard-00002-of-00003.h5");
}

TEST_F(Preprocess, TheOfficialSplitGoesByUsageWhereverARowStands) {
  std::string csv = "emotion,pixels,Usage\n";
  for (int row = 0; row < 9; ++row) {
    const char* usage = row % 3 == 0 ? "PrivateTest" : row % 3 == 1 ? "Training" : "PublicTest";
    csv += fmt::format("{},{},{}\n", made_label(row), made_pixels(row), usage);
  }
  run(csv, {.split_rule = SplitRule::kOfficial});
  const Dataset dataset = load();
  for (const auto& [split, first] : {std::pair{Split::kTrain, 1}, {Split::kValidation, 2}, {Split::kTest, 0}}) {
    ASSERT_EQ(dataset.split(split).size(), 3);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(dataset.split(split).images[static_cast<size_t>(i) * kImagePixels], made_pixel(first + 3 * i, 0));
  }
}

TEST_F(Preprocess, AnyNumberOfShardsHoldsTheSameImages) {
  for (const int shards : {1, 2, 7, kRows + 50}) {
    run(made_csv(kRows), {.shards = shards, .overwrite = true});
    expect_made_images(load());
  }
}

TEST_F(Preprocess, TheChecksumOfWhatIsLearntFromKnowsNoShardsButEveryRow) {
  std::set<std::string> found;
  for (const int shards : {1, 2, 7}) {
    run(made_csv(kRows), {.shards = shards, .overwrite = true});
    found.insert(load().checksum());
  }
  EXPECT_EQ(found.size(), 1U);
  // Another label, another order, another split: each is other data.
  const std::string head = "emotion,pixels,Usage\n";
  const auto row = [](int label, int pixels, const char* usage) {
    return fmt::format("{},{},{}\n", label, made_pixels(pixels), usage);
  };
  for (const std::string& csv :
       {head + row(0, 0, "Training") + row(1, 1, "Training"), head + row(1, 0, "Training") + row(1, 1, "Training"),
        head + row(1, 1, "Training") + row(0, 0, "Training"), head + row(0, 0, "Training") + row(1, 1, "PublicTest")}) {
    run(csv, {.split_rule = SplitRule::kOfficial, .overwrite = true});
    found.insert(load().checksum());
  }
  EXPECT_EQ(found.size(), 5U);
}

TEST_F(Preprocess, TheSourcesChecksumIsTheFilesOwn) {
  for (const std::string& content : {made_csv(kRows), gzipped(made_csv(kRows))}) {
    const Source source = run(content, {.overwrite = true}).source;
    const SourceFile file(folder_ / "input.csv");
    EXPECT_EQ(file.size(), source.bytes);
    EXPECT_EQ(file.checksum(), source.checksum);
  }
}

TEST_F(Preprocess, OneRowIsEnough) {
  run(made_csv(1));
  const Dataset dataset = load();
  EXPECT_EQ(dataset.split(Split::kTrain).size(), 0);
  expect_made_images(dataset, 1);
}

TEST_F(Preprocess, SpellingsThatMeanTheSameGiveTheSameImages) {
  const std::string csv = made_csv(kRows);
  std::string quoted = "emotion,pixels,Usage\n";
  std::string kaggle = "emotion, Usage, pixels\n";
  std::string unlabelled_split = "emotion,pixels\n";
  for (int row = 0; row < kRows; ++row) {
    quoted += fmt::format("\"{}\",\"{}\",\"{}\"\n", made_label(row), made_pixels(row), made_usage(row, kRows));
    kaggle += fmt::format("{}, {}, {}\n", made_label(row), made_usage(row, kRows), made_pixels(row));
    unlabelled_split += fmt::format("{},{}\n", made_label(row), made_pixels(row));
  }
  const std::vector<std::pair<std::string, std::string>> spellings = {
      {"byte order mark", "\xEF\xBB\xBF" + csv},
      {"CRLF", replaced(csv, "\n", "\r\n")},
      {"no newline at the end", csv.substr(0, csv.size() - 1)},
      {"blank lines", replaced(csv, "\n", "\n\n  \r\n")},
      {"two spaces in some places", replaced(csv, " 17 ", "  17 ")},
      {"quoted", quoted},
      {"icml_face_data.csv", kaggle},
      {"train.csv without Usage", unlabelled_split},
      {"gzipped", gzipped(csv)},
      {"gzipped in two members", gzipped(csv.substr(0, 40000)) + gzipped(csv.substr(40000))},
  };
  for (const auto& [name, content] : spellings) {
    SCOPED_TRACE(name);
    const Manifest manifest = run(content, {.overwrite = true});
    EXPECT_EQ(manifest.source.bytes, static_cast<int64_t>(content.size()));
    expect_made_images(load());
    EXPECT_FALSE(fs::exists(folder_ / "shards" / "scratch"));
  }
}

struct Broken {
  std::string name;
  std::string content;
  std::string reason;
};

void PrintTo(const Broken& input, std::ostream* stream) { *stream << input.name; }

std::vector<Broken> broken_inputs() {
  const std::string csv = made_csv(kRows);
  const auto with_row = [&](int row, const std::string& text) {
    std::string all = "emotion,pixels,Usage\n";
    for (int i = 0; i < kRows; ++i) all += (i == row ? text : made_row(i, kRows)) + "\n";
    return all;
  };
  const std::string pixels = made_pixels(0);
  return {
      {"TooFewPixels", with_row(120, "0," + made_pixels(0, 2303) + ",Training"),
       ", row 121: 2,303 pixels, expected 2,304 (48 x 48)"},
      {"TooManyPixels", with_row(0, "0," + made_pixels(0, 2305) + ",Training"),
       ", row 1: 2,305 pixels, expected 2,304 (48 x 48)"},
      {"PixelOver255", with_row(149, "0,256" + pixels.substr(1) + ",Training"), ", row 150: pixel 1 is 256"},
      {"NegativePixel", with_row(3, "0,-1 " + made_pixels(0, 2303) + ",Training"), ", row 4: pixel 1 is -1"},
      {"LabelOutOfRange", with_row(3, "7," + pixels + ",Training"), ", row 4: emotion is \"7\", expected 0 to 6"},
      {"UnknownUsage", with_row(3, "0," + pixels + ",Trainning"), ", row 4: Usage is \"Trainning\""},
      {"LowestOfSeveral", replaced(with_row(140, "0," + pixels + ",Nothing"), made_pixels(70), "1 2 3"),
       ", row 71: 3 pixels"},
      {"CutShort", csv.substr(0, csv.size() - 5000), ", row 150: 2 columns, expected 3"},
      {"HugeRow", with_row(9, "0," + std::string(200000, '1') + ",Training"), ", row 10: "},
      {"Empty", "", ": is empty"},
      {"HeaderOnly", "emotion,pixels,Usage\n", ": has no rows below its header"},
      {"HeaderOnlyUnended", "emotion,pixels,Usage", ": has no rows below its header"},
      {"NoLabels", "pixels\n" + pixels + "\n", ": has pixels but no emotion column"},
      {"NoHeader", made_row(0, 1) + "\n", ": its first line does not name the columns"},
      {"FerPlus", "Usage,Image name,neutral,happiness\nTraining,fer0000000.png,4,0\n",
       ": its first line does not name"},
      {"GitLfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 301072766\n",
       ": is a Git LFS pointer"},
      {"WebPage", "\n<!DOCTYPE html><html><body>Sign in</body></html>", ": is a web page"},
      {"Zip", std::string("PK\x03\x04") + std::string(100, '\0'), ": holds a file without a name"},
      {"Tar", std::string(257, '\0') + "ustar" + std::string(300, '\0'), ": is a damaged archive: "},
      {"GzippedTar", gzipped(std::string(257, '\0') + "ustar" + std::string(300, '\0')), ": is a damaged archive: "},
      {"GzippedTwice", gzipped(gzipped(csv)), ": is gzipped twice"},
      {"GzipCutShort", gzipped(csv).substr(0, 5000), ": the gzip file is cut short"},
      {"GzipDamaged", replaced(gzipped(csv), gzipped(csv).substr(3000, 8), "damaged!"), ": the gzip file is damaged"},
      {"GzippedBrokenRow", gzipped(with_row(3, "7," + pixels + ",Training")), "input.csv, row 4: emotion is \"7\""},
      {"BinaryJunk", std::string("\x01\x02\x00\xff", 4) + std::string(5000, '\xee'), ": is not a text file"},
      {"JunkAfterTheHeader", "emotion,pixels,Usage\n" + std::string(300000, '\xee'), ", row 1: "},
      {"Utf16",
       std::string("\xFF\xFE"
                   "e\0m\0",
                   6),
       ": is UTF-16 text"},
  };
}

class BrokenInput : public Preprocess, public ::testing::WithParamInterface<Broken> {};

TEST_P(BrokenInput, IsOneErrorOfTheUsersAndLeavesNothingBehind) {
  const Error error = error_of([&] { run(GetParam().content, {.output = folder_ / "new" / "deep" / "shards"}); });
  EXPECT_EQ(error.exit_code(), 2);
  EXPECT_THAT(error.what(), StartsWith((folder_ / "input.csv").string()));
  EXPECT_THAT(error.what(), HasSubstr(GetParam().reason));
  EXPECT_NE(error.advice(), "");
  EXPECT_TRUE(folder_content(folder_.path()) == "input.csv\n" + GetParam().content);
}

INSTANTIATE_TEST_SUITE_P(All, BrokenInput, ::testing::ValuesIn(broken_inputs()),
                         [](const auto& input) { return input.param.name; });

TEST_F(Preprocess, AMissingInputIsNamed) {
  const PreprocessOptions options{.input = folder_ / "absent.csv", .output = folder_ / "shards"};
  const Error error = error_of([&] { preprocess(options, *communicator_, log_); });
  EXPECT_EQ(error.what(), (folder_ / "absent.csv").string() + ": cannot be read: No such file or directory");
  EXPECT_THAT(error.advice(), testing::HasSubstr("fer-ddp synthesize"));
  EXPECT_EQ(error.exit_code(), 2);
  EXPECT_EQ(folder_content(folder_.path()), "");
}

TEST_F(Preprocess, AFolderIsRefusedNamingTheFileInIt) {
  write_text(folder_ / "fer2013.csv", made_csv(2));
  const PreprocessOptions options{.input = folder_.path(), .output = folder_ / "shards"};
  const Error error = error_of([&] { preprocess(options, *communicator_, log_); });
  EXPECT_THAT(error.what(), HasSubstr("is a folder without folders of pictures"));
  EXPECT_EQ(error.advice(), "Did you mean " + (folder_ / "fer2013.csv").string() + "?");
}

TEST_F(Preprocess, TheOfficialSplitNeedsAUsageColumn) {
  const std::string csv = "emotion,pixels\n3," + made_pixels(0) + "\n";
  const Error error = error_of([&] { run(csv, {.split_rule = SplitRule::kOfficial}); });
  EXPECT_THAT(error.what(), HasSubstr("has no Usage column, which the official split goes by"));
  EXPECT_EQ(error.exit_code(), 2);
}

TEST_F(Preprocess, ShardsThatAreThereAreReplacedOnlyWhenAskedTo) {
  run(made_csv(20));
  const std::string before = folder_content(folder_ / "shards");
  const Error error = error_of([&] { run(made_csv(30)); });
  EXPECT_THAT(error.advice(), HasSubstr("--overwrite"));
  EXPECT_EQ(error.exit_code(), 2);
  EXPECT_TRUE(folder_content(folder_ / "shards") == before);
  EXPECT_EQ(run(made_csv(30), {.overwrite = true}).source.rows, 30);
  EXPECT_EQ(load().manifest().source.rows, 30);
}

TEST_F(Preprocess, AFailedReplacementLeavesTheOldShards) {
  run(made_csv(20));
  const std::string before = folder_content(folder_ / "shards");
  EXPECT_EQ(error_of([&] { run("emotion,pixels\n9,1\n", {.overwrite = true}); }).exit_code(), 2);
  EXPECT_TRUE(folder_content(folder_ / "shards") == before);
}

TEST_F(Preprocess, AFolderOfOtherFilesIsNeverReplaced) {
  fs::create_directory(folder_ / "shards");
  write_text(folder_ / "shards" / "thesis.tex", "years of work");
  const Error error = error_of([&] { run(made_csv(20), {.overwrite = true}); });
  EXPECT_THAT(error.what(), HasSubstr("thesis.tex"));
  EXPECT_EQ(folder_content(folder_ / "shards"), "thesis.tex\nyears of work");
}

TEST_F(Preprocess, AnEmptyFolderASlashAtTheEndAndWhatAKilledRunLeftAreNoObstacles) {
  fs::create_directories(folder_ / "shards");
  fs::create_directories(folder_ / ".shards.partial");
  write_text(folder_ / ".shards.partial" / "shard-00000-of-00099.h5", "half");
  run(made_csv(20), {.output = (folder_ / "shards").string() + "/"});
  expect_made_images(load(), 20);
  EXPECT_FALSE(fs::exists(folder_ / ".shards.partial"));
}

TEST_F(Preprocess, AnOutputThatCannotBeMadeIsTheUsersFaultAndLeavesNothing) {
  write_text(folder_ / "file", "");
  for (const fs::path& output :
       {folder_ / "file", folder_ / "file" / "shards", folder_ / "new" / std::string(300, 'x')}) {
    EXPECT_EQ(error_of([&] { run(made_csv(20), {.output = output}); }).exit_code(), 2) << output;
    EXPECT_FALSE(fs::exists(folder_ / "new"));
  }
}

TEST_F(Preprocess, TheFingerprintTellsDataAndSplitsApart) {
  run(made_csv(kRows));
  const std::string first = load().fingerprint();
  run(made_csv(kRows), {.overwrite = true});
  EXPECT_EQ(load().fingerprint(), first);
  run(made_csv(kRows), {.split_rule = SplitRule::kOfficial, .overwrite = true});
  EXPECT_NE(load().fingerprint(), first);
}

TEST_F(Preprocess, TheTableCountsClassesAndNamesTheMajority) {
  const std::string table = counts_table(run(made_csv(1400)));
  EXPECT_THAT(table, HasSubstr("0 Angry               140  14.29 %           40  14.29 %           20  14.29 %\n"));
  EXPECT_THAT(table, HasSubstr("majority            Angry  14.29 %"));
}

}  // namespace
}  // namespace fer_ddp
