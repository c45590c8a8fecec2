// Folders of pictures: what is in them, in which order, and that the same rows give the same shards as a csv's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <set>

#include "comm/identity_communicator.h"
#include "data/dataset.h"
#include "data/importer.h"
#include "data/picture_folder.h"
#include "data/picture_importer.h"
#include "data/preprocess.h"
#include "tests/data_fixtures.h"
#include "tests/picture_fixtures.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr int kRows = 150;
constexpr std::array kAlphabetical = {"angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"};

std::string folder_of_label(int label) {
  const auto* const found = std::find_if(kAlphabetical.begin(), kAlphabetical.end(),
                                         [&](const char* name) { return label_of_folder(name) == label; });
  return *found;
}

std::string png_of_row(int row) {
  RawPicture picture{kImageSide, kImageSide, 1, {}};
  for (int pixel = 0; pixel < kImagePixels; ++pixel) picture.samples.push_back(made_pixel(row, pixel));
  return encode_png(picture);
}

void write_file(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  write_text(path, content);
}

class PictureFolder : public ::testing::Test {
 protected:
  // made_csv's rows as pictures; `name` says where each lies.
  void write_rows(int rows, const std::function<std::string(int row)>& name) const {
    for (int row = 0; row < rows; ++row) write_file(faces_ / name(row), png_of_row(row));
  }

  Manifest run(const fs::path& input, PreprocessOptions options = {}) {
    options.input = input;
    options.overwrite = true;
    if (options.output.empty()) options.output = folder_ / "shards";
    RunLog log(true);
    log.open_file(folder_ / "log.jsonl");
    return preprocess(options, *communicator_, log);
  }

  // The bytes of all shards, without the manifest, which names the source.
  std::string shards_of(const fs::path& input, PreprocessOptions options = {}) {
    options.output = folder_ / "shards";
    run(input, options);
    fs::remove(options.output / kManifestName);
    return folder_content(options.output);
  }

  Error refusal(PreprocessOptions options = {}) {
    options.output = folder_ / "refused";
    const Error error = error_of([&] { run(faces_, options); });
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_NE(error.advice(), "");
    EXPECT_FALSE(fs::exists(options.output));
    EXPECT_FALSE(fs::exists(folder_ / ".refused.partial"));
    return error;
  }

  [[nodiscard]] std::string log_text() const { return read_file(folder_ / "log.jsonl"); }

  TemporaryFolder folder_;
  fs::path faces_ = folder_ / "faces";
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
};

std::string official_path(int row) {
  const std::string usage = made_usage(row, kRows);
  const std::string folder = usage == "Training" ? "train" : "test";
  return fmt::format("{}/{}/{}_{}.png", folder, folder_of_label(made_label(row)), usage, row);
}

TEST_F(PictureFolder, TheSameRowsGiveTheSameShardsAsTheCsv) {
  write_text(folder_ / "fer2013.csv", made_csv(kRows));
  write_rows(kRows, official_path);
  for (const SplitRule rule : {SplitRule::kSeed, SplitRule::kOfficial}) {
    for (const int threads : {1, 3})
      EXPECT_TRUE(shards_of(faces_, {.split_rule = rule, .threads = threads}) ==
                  shards_of(folder_ / "fer2013.csv", {.split_rule = rule}));
  }
  EXPECT_THAT(log_text(), ::testing::Not(HasSubstr("pictures_changed")));
  EXPECT_THAT(log_text(), ::testing::Not(HasSubstr("import_remark")));
}

// Numbers may have gaps, which is said, as rows may be missing.
TEST_F(PictureFolder, NumbersWithinEachSplitGiveTheSameOrder) {
  write_text(folder_ / "fer2013.csv", made_csv(kRows));
  write_rows(kRows, [](int row) {
    const std::string usage = made_usage(row, kRows);
    const int first = usage == "Training" ? 0 : usage == "PublicTest" ? kRows * 8 / 10 : kRows * 9 / 10;
    return fmt::format("{}/{}_{}.png", kExpressionNames[static_cast<size_t>(made_label(row))], usage,
                       1000 * (row - first) + 7);
  });
  const std::string expected = shards_of(folder_ / "fer2013.csv");
  EXPECT_THAT(log_text(), ::testing::Not(HasSubstr("have gaps")));
  EXPECT_TRUE(shards_of(faces_) == expected);
  EXPECT_THAT(log_text(), HasSubstr("have gaps"));
  EXPECT_TRUE(shards_of(faces_, {.split_rule = SplitRule::kOfficial}) ==
              shards_of(folder_ / "fer2013.csv", {.split_rule = SplitRule::kOfficial}));
}

TEST_F(PictureFolder, TheManifestSaysWhatIsThere) {
  write_rows(kRows, official_path);
  const Manifest manifest = run((faces_ / "").string());
  EXPECT_EQ(manifest.source.name, "faces");
  EXPECT_EQ(manifest.source.rows, kRows);
  int64_t bytes = 0;
  for (int row = 0; row < kRows; ++row) bytes += std::ssize(png_of_row(row));
  EXPECT_EQ(manifest.source.bytes, bytes);
  EXPECT_EQ(run(faces_, {.threads = 3}).source, manifest.source);
}

TEST_F(PictureFolder, AnotherPictureNameOrPixelIsAnotherSource) {
  write_rows(20, official_path);
  const Source source = run(faces_).source;
  EXPECT_TRUE(is_source(source, faces_));
  const fs::path moved = folder_ / "elsewhere" / "data" / "faces";
  fs::create_directories(moved.parent_path());
  fs::rename(faces_, moved);
  EXPECT_TRUE(is_source(source, folder_ / "elsewhere"));
  write_file(moved / official_path(3), png_of_row(4));
  EXPECT_FALSE(is_source(source, moved));
  write_file(moved / official_path(3), png_of_row(3));
  EXPECT_TRUE(is_source(source, moved));
  fs::rename(moved / official_path(3), moved / (official_path(3) + ".png"));
  EXPECT_FALSE(is_source(source, moved));
  EXPECT_FALSE(is_source(source, folder_ / "shards"));
}

std::string unofficial_path(int row) {
  const std::string folder = made_usage(row, kRows) == "Training" ? "Train" : "Test";
  return fmt::format("{}/{}/im{}.png", folder, folder_of_label(made_label(row)), row / 7);
}

TEST_F(PictureFolder, FoldersSayTheSplitWhereNamesDoNot) {
  write_rows(kRows, unofficial_path);
  const Manifest manifest = run(faces_, {.split_rule = SplitRule::kOfficial});
  EXPECT_EQ(manifest.rows(Split::kTrain), 120);
  EXPECT_EQ(manifest.rows(Split::kValidation), 0);
  EXPECT_EQ(manifest.rows(Split::kTest), 30);
  EXPECT_THAT(log_text(), HasSubstr("the validation split is empty"));
  fs::rename(faces_ / "Test", faces_ / "validation");
  EXPECT_EQ(run(faces_, {.split_rule = SplitRule::kOfficial}).rows(Split::kValidation), 30);
}

// In the order of names alone the first 70 % would lack whole classes.
TEST_F(PictureFolder, WithoutTheCsvsOrderEachPartOfTheRowsHasAllClasses) {
  write_rows(kRows, [](int row) { return fmt::format("{}/im{}.png", folder_of_label(made_label(row)), row / 7); });
  const Manifest manifest = run(faces_);
  for (const Split split : kSplits) {
    for (const int64_t count : manifest.class_counts[split]) EXPECT_GT(count, 0) << split_name(split);
  }
  EXPECT_THAT(log_text(), HasSubstr("do not hold the order of fer2013.csv"));
  const std::string shards = shards_of(faces_);
  fs::rename(faces_, folder_ / "moved");
  EXPECT_TRUE(shards_of(folder_ / "moved") == shards);
}

TEST_F(PictureFolder, TheLabelsAreThoseOfTheFolders) {
  write_rows(kRows, [](int row) { return fmt::format("{}/{}.png", folder_of_label(made_label(row)), row); });
  run(faces_);
  const Dataset dataset = load_dataset(folder_ / "shards", *communicator_);
  std::set<int> seen;
  for (const Split split : kSplits) {
    const SplitView& view = dataset.split(split);
    for (int64_t i = 0; i < view.size(); ++i) {
      int row = 0;  // known by its pixels
      const auto* const image = view.images.data() + i * kImagePixels;
      const auto is_of_row = [&] {
        for (int pixel = 0; pixel < kImagePixels; ++pixel)
          if (image[pixel] != made_pixel(row, pixel)) return false;
        return true;
      };
      while (row < kRows && !is_of_row()) ++row;
      ASSERT_LT(row, kRows);
      EXPECT_EQ(view.labels[static_cast<size_t>(i)], made_label(row));
      seen.insert(row);
    }
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kRows));
}

TEST_F(PictureFolder, UsualSpellingsAreUnderstood) {
  const std::vector<std::vector<std::string>> spellings = {{"angry", "Angry", "anger", "ANGER", "0"},
                                                           {"disgust", "disgusted", "Disgust", "1"},
                                                           {"fear", "fearful", "Fear", "2"},
                                                           {"happy", "happiness", "Happy", "3"},
                                                           {"sad", "sadness", "Sad", "4"},
                                                           {"surprise", "surprised", "Surprise", "5"},
                                                           {"neutral", "Neutral", "6"}};
  for (size_t label = 0; label < spellings.size(); ++label) {
    for (const std::string& name : spellings[label]) EXPECT_EQ(label_of_folder(name), label) << name;
  }
  for (const char* name : {"contempt", "7", "00", "", "angry2"}) EXPECT_EQ(label_of_folder(name), std::nullopt) << name;
  for (const char* name : {"train", "Training", "TRAIN"}) EXPECT_EQ(split_of_folder(name), Split::kTrain);
  for (const char* name : {"val", "valid", "validation", "PublicTest"})
    EXPECT_EQ(split_of_folder(name), Split::kValidation);
  for (const char* name : {"test", "PrivateTest", "Testing"}) EXPECT_EQ(split_of_folder(name), Split::kTest);
  EXPECT_EQ(split_of_folder("trains"), std::nullopt);
}

TEST_F(PictureFolder, OfficialNamesHoldSplitAndNumber) {
  EXPECT_EQ(official_name("PublicTest_12345678.jpg")->number, 12345678U);
  EXPECT_EQ(official_name("PublicTest_1.jpg")->split, Split::kValidation);
  for (const char* name : {"Training_.png", "Training_12", "Training_12a.png", "training_1.png", "Training1.png",
                           "Training_99999999999999999999.png", "Training_-1.png", "im0.png", "_1.png"})
    EXPECT_FALSE(official_name(name).has_value()) << name;
}

TEST_F(PictureFolder, StraysAreNoPictures) {
  write_rows(kRows, official_path);
  const std::string shards = shards_of(faces_);
  for (const char* stray : {".DS_Store", "train/Thumbs.db", "train/happy/.DS_Store", "train/happy/._Training_3.png",
                            "__MACOSX/train/happy/x.png", "test/.ipynb_checkpoints/a.png", "test/sad/desktop.ini",
                            "README.md", "train/LICENSE.txt"})
    write_file(faces_ / stray, "nothing to see");
  EXPECT_TRUE(shards_of(faces_) == shards);
}

TEST_F(PictureFolder, WhatIsScaledCutAndTurnedGreyIsSaidOnce) {
  write_file(faces_ / "happy/a.jpg", encode_jpeg(made_picture(96, 96)));
  write_file(faces_ / "happy/b.png", encode_png(made_picture(60, 50, 3), {.colour_type = PNG_COLOR_TYPE_RGB}));
  write_file(faces_ / "happy/c.png", encode_png(made_picture(48, 48, 3), {.colour_type = PNG_COLOR_TYPE_RGB}));
  write_file(faces_ / "happy/d.png", encode_png(made_picture(48, 48)));
  write_file(faces_ / "sad/e.png", encode_png(made_picture(48, 90)));
  run(faces_, {.threads = 2});
  const std::string said = "of 5 pictures 2 scaled to 48 x 48 pixels, 2 cut to their middle square, 2 turned grey";
  const std::string log = log_text();
  EXPECT_THAT(log, HasSubstr(said));
  EXPECT_EQ(log.find(said), log.rfind(said));
}

TEST_F(PictureFolder, FoldersOfNumbersAreTheCsvsAndThatIsSaid) {
  write_rows(kRows, [](int row) { return fmt::format("{}/Training_{}.png", made_label(row), row); });
  EXPECT_EQ(run(faces_).class_counts[Split::kTrain], (ClassCounts{15, 15, 15, 15, 15, 15, 15}));
  EXPECT_THAT(log_text(), HasSubstr("folders called 0 to 6"));
  fs::rename(faces_ / "0", faces_ / "7");
  EXPECT_THAT(refusal().what(), HasSubstr("faces/1: is a number that need not be fer2013.csv's"));
  fs::rename(faces_ / "7", faces_ / "angry");
  EXPECT_THAT(refusal().what(), HasSubstr("faces/1: is a number that need not be fer2013.csv's"));
}

struct Misplaced {
  std::string name;
  std::string path;  // of a further file; with a slash at the end: a folder
  std::string content;
  std::string reason;
};

void PrintTo(const Misplaced& file, std::ostream* stream) { *stream << file.name; }

class MisplacedFile : public PictureFolder, public ::testing::WithParamInterface<Misplaced> {};

TEST_P(MisplacedFile, IsNamedAndLeavesNothingBehind) {
  write_rows(20, official_path);
  const Misplaced& file = GetParam();
  if (file.path.ends_with('/'))
    fs::create_directories(faces_ / file.path);
  else
    write_file(faces_ / file.path, file.content);
  const std::string before = folder_content(faces_);
  EXPECT_THAT(refusal({.threads = 2}).what(), StartsWith((faces_ / file.reason).string()));
  EXPECT_TRUE(folder_content(faces_) == before);
}

INSTANTIATE_TEST_SUITE_P(
    All, MisplacedFile,
    ::testing::Values(
        Misplaced{"UnknownClass", "train/contempt/1.png", "x", "train/contempt: is no folder of one of the seven"},
        Misplaced{"EmptyClass", "test/surprise/", "", "test/surprise: is empty"},
        Misplaced{"ClassOfStraysAlone", "test/surprise/.DS_Store", "x", "test/surprise: is empty"},
        Misplaced{"FolderInAClass", "train/angry/more/1.png", "x", "train/angry/more: is a folder"},
        Misplaced{"OtherFolderBesideSplits", "models/1.txt", "x", "models: is no folder of a split"},
        Misplaced{"PictureWithoutAClass", "train/1.jpg", "x", "train/1.jpg: is a picture outside"},
        Misplaced{"PictureWithoutASplit", "1.PNG", "x", "1.PNG: is a picture outside"},
        Misplaced{"SplitWithoutClasses", "val/", "", "val: holds no folders of classes"},
        Misplaced{"NoPicture", "train/angry/labels.txt", "a,b", "train/angry/labels.txt: is not a picture"},
        Misplaced{"EmptyPicture", "train/angry/a.png", "", "train/angry/a.png: is empty"},
        Misplaced{"OtherKind", "train/angry/a.jpg", "GIF89a", "train/angry/a.jpg: is a GIF picture"},
        Misplaced{"CutShort", "train/angry/Training_3.png", png_of_row(3).substr(0, 100),
                  "train/angry/Training_3.png: is a picture whose file is cut short"}),
    [](const auto& param) { return param.param.name; });

TEST_F(PictureFolder, TheLowestOfSeveralBrokenPicturesIsNamed) {
  write_rows(kRows, official_path);
  for (const int row : {140, 71, 90}) write_text(faces_ / official_path(row), "nothing");
  for (const int threads : {1, 4})
    EXPECT_THAT(refusal({.shards = 3, .threads = threads}).what(),
                StartsWith((faces_ / official_path(71)).string() + ": is not a picture"));
}

TEST_F(PictureFolder, APictureOfTooManyBytesIsNamedAsItIsShown) {
  write_rows(20, official_path);
  const std::string large = official_path(3);
  fs::resize_file(faces_ / large, uintmax_t{300} << 20);
  const Error error = error_of([&] { return open_pictures(faces_, "faces.zip, ", {}, 1, *communicator_); });
  EXPECT_THAT(error.what(), StartsWith("faces.zip, " + large + ": holds 314,572,800 bytes"));
}

TEST_F(PictureFolder, WhatIsNoRegularFileIsRefusedAndNotWaitedFor) {
  write_rows(20, official_path);
  const fs::path pipe = faces_ / "train" / "angry" / "pipe.png";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(refusal().what(), HasSubstr("pipe.png: is not a regular file"));
  fs::remove(pipe);
  fs::create_symlink("nowhere", pipe);
  EXPECT_THAT(refusal().what(), HasSubstr("pipe.png: is not a regular file"));
  fs::remove(pipe);
  for (const fs::path& class_or_split : {faces_ / "train" / "sad-too", faces_ / "validation"}) {
    fs::create_symlink("nowhere", class_or_split);
    EXPECT_THAT(refusal().what(), HasSubstr(class_or_split.string() + ": is not a regular file"));
    fs::remove(class_or_split);
  }
}

TEST_F(PictureFolder, TheOfficialSplitIsRefusedWhereItIsNotSaid) {
  write_rows(20, [](int row) { return fmt::format("{}/im{}.png", folder_of_label(made_label(row)), row); });
  const Error error = refusal({.split_rule = SplitRule::kOfficial});
  EXPECT_THAT(error.what(), HasSubstr("neither its name nor a folder says which split it is in"));
  EXPECT_THAT(error.advice(), HasSubstr("--split seed"));
}

TEST_F(PictureFolder, TheOfficialSplitIsRefusedWhereNameAndFolderDisagree) {
  write_rows(20, official_path);
  write_file(faces_ / "train/angry/PublicTest_77.png", png_of_row(0));
  EXPECT_THAT(refusal({.split_rule = SplitRule::kOfficial}).what(),
              HasSubstr("train/angry/PublicTest_77.png: its name says another split than its folder"));
  EXPECT_EQ(run(faces_).source.rows, 21);
}

TEST_F(PictureFolder, AFolderWithoutPicturesSaysWhatIsExpected) {
  fs::create_directories(faces_);
  write_text(faces_ / "notes.txt", "x");
  const Error error = refusal();
  EXPECT_THAT(error.what(), HasSubstr("faces: is a folder without folders of pictures"));
  EXPECT_THAT(error.advice(), HasSubstr("angry, disgust"));
}

TEST_F(PictureFolder, FoldersWithinEachOtherAreLookedThrough) {
  write_rows(20, official_path);
  const FolderContent content = look_into(folder_.path());
  EXPECT_EQ(content.pictures, faces_);
  EXPECT_THAT(content.csv_files, IsEmpty());
  write_text(folder_ / "fer2013.csv", "");
  write_text(folder_ / "README", "");
  EXPECT_THAT(look_into(folder_.path()).csv_files, ElementsAre(folder_ / "fer2013.csv"));
  EXPECT_THAT(look_into(folder_.path()).other_files, ElementsAre(folder_ / "README"));
}

}  // namespace
}  // namespace fer_ddp
