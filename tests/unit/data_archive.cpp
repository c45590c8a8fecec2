// Archives: the data in them arrives as if it had been unpacked by hand, and nothing else leaves them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/identity_communicator.h"
#include "core/text.h"
#include "data/archive.h"
#include "data/importer.h"
#include "data/preprocess.h"
#include "tests/archive_fixtures.h"
#include "tests/data_fixtures.h"
#include "tests/picture_fixtures.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kRows = 60;

class Archive : public ::testing::Test {
 protected:
  std::string shards_of(const std::string& content, PreprocessOptions options = {}) {
    options.input = folder_ / "input";
    write_text(options.input, content);
    options.output = folder_ / "shards";
    options.overwrite = true;
    RunLog log(true);
    manifest_ = preprocess(options, *communicator_, log);
    fs::remove(options.output / kManifestName);
    return folder_content(options.output);
  }

  // What refuses it; nothing of it may be anywhere afterwards.
  Error refusal(const std::string& content) {
    const fs::path input = folder_ / "inner" / "input";
    fs::create_directories(input.parent_path());
    write_text(input, content);
    RunLog log(true);
    const Error error = error_of(
        [&] { preprocess({.input = input, .output = folder_ / "inner" / "new" / "shards"}, *communicator_, log); });
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_THAT(error.what(), StartsWith(input.string()));
    EXPECT_NE(error.advice(), "");
    EXPECT_TRUE(folder_content(folder_.path()) == "inner\ninner/input\n" + content);
    return error;
  }

  TemporaryFolder folder_;
  Manifest manifest_;
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
};

std::vector<MadeEntry> pictures(const std::string& prefix) {
  std::vector<MadeEntry> entries;
  for (int row = 0; row < kRows; ++row) {
    RawPicture picture{kImageSide, kImageSide, 1, {}};
    for (int pixel = 0; pixel < kImagePixels; ++pixel) picture.samples.push_back(made_pixel(row, pixel));
    entries.push_back({fmt::format("{}{}/{}_{}.png", prefix, kExpressionNames[static_cast<size_t>(made_label(row))],
                                   made_usage(row, kRows), row),
                       encode_png(picture)});
  }
  return entries;
}

TEST_F(Archive, ACsvInsideGivesTheShardsOfTheCsv) {
  const std::string csv = made_csv(kRows);
  const std::string shards = shards_of(csv);
  const std::vector<MadeEntry> plain = {{"fer2013.csv", csv}};
  const std::vector<MadeEntry> nested = {{"fer2013/", "", AE_IFDIR},
                                         {"fer2013/README", "about"},
                                         {"fer2013/fer2013.csv", csv},
                                         {"__MACOSX/fer2013/._fer2013.csv", "resource fork"}};
  for (const ArchiveKind kind : kArchiveKinds) {
    for (const auto& entries : {plain, nested}) {
      SCOPED_TRACE(static_cast<int>(kind));
      const std::string archive = made_archive(kind, entries);
      EXPECT_TRUE(shards_of(archive) == shards);
      EXPECT_EQ(manifest_.source.name, "input");
      EXPECT_EQ(manifest_.source.bytes, std::ssize(archive));
      EXPECT_EQ(manifest_.source.rows, kRows);
      EXPECT_TRUE(is_source(manifest_.source, folder_ / "input"));
      EXPECT_FALSE(fs::exists(folder_ / "shards" / "scratch"));
    }
  }
}

TEST_F(Archive, PicturesInsideGiveTheShardsOfTheCsv) {
  const std::string csv = made_csv(kRows);
  for (const SplitRule rule : {SplitRule::kSeed, SplitRule::kOfficial}) {
    const std::string shards = shards_of(csv, {.split_rule = rule});
    for (const ArchiveKind kind : kArchiveKinds) {
      SCOPED_TRACE(static_cast<int>(kind));
      EXPECT_TRUE(shards_of(made_archive(kind, pictures("")), {.split_rule = rule}) == shards);
      EXPECT_TRUE(shards_of(made_archive(kind, pictures("./faces/all/")), {.split_rule = rule, .threads = 2}) ==
                  shards);
      EXPECT_EQ(manifest_.source.rows, kRows);
    }
  }
}

TEST_F(Archive, OfSeveralCsvFilesTheWholeOneIsTaken) {
  const std::string csv = made_csv(kRows);
  const std::string shards = shards_of(csv);
  const MadeEntry part = {"train.csv", "emotion,pixels\n1," + made_pixels(9) + "\n"};
  EXPECT_TRUE(shards_of(made_archive(ArchiveKind::kZip,
                                     {part, {"test.csv", "pixels\n" + made_pixels(9)}, {"icml_face_data.csv", csv}})) ==
              shards);
}

TEST_F(Archive, OfSeveralUnknownCsvFilesNoneIsTaken) {
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kZip, {{"a.csv", made_csv(2)}, {"b.csv", made_csv(2)}})).what(),
              HasSubstr("holds several CSV files, such as a.csv and b.csv"));
}

TEST_F(Archive, ABrokenPictureInsideIsNamed) {
  std::vector<MadeEntry> entries = pictures("faces/");
  entries[17].content.resize(100);
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kZip, entries)).what(),
              HasSubstr("input, faces/" + entries[17].path.substr(6) + ": is a picture whose file is cut short"));
}

TEST_F(Archive, ABrokenRowInsideIsNamed) {
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kTarGz, {{"fer2013.csv", "emotion,pixels\n9,1\n"}})).what(),
              HasSubstr("input, row 1: emotion is \"9\""));
}

TEST_F(Archive, WithoutDataItIsRefusedSayingWhatIsInside) {
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kZip, {{"fer2013.tar.gz", "x"}})).what(),
              HasSubstr("holds neither a CSV file nor folders of pictures, but fer2013.tar.gz"));
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kZip, {})).what(), HasSubstr("holds neither"));
}

struct Evil {
  std::string name;
  std::vector<MadeEntry> entries;
  std::string reason;
};

void PrintTo(const Evil& archive, std::ostream* stream) { *stream << archive.name; }

class EvilArchive : public Archive, public ::testing::WithParamInterface<Evil> {};

TEST_P(EvilArchive, IsRefusedAndLeavesNothingAnywhere) {
  for (const ArchiveKind kind : {ArchiveKind::kTar, ArchiveKind::kTarGz, ArchiveKind::kZip, ArchiveKind::k7z}) {
    const bool has_hard_links = kind == ArchiveKind::kTar || kind == ArchiveKind::kTarGz;
    if (GetParam().name == "HardLink" && !has_hard_links) continue;
    SCOPED_TRACE(static_cast<int>(kind));
    std::vector<MadeEntry> entries = {{"angry/a.png", encode_png(made_picture(48, 48))}};
    entries.insert(entries.end(), GetParam().entries.begin(), GetParam().entries.end());
    EXPECT_THAT(refusal(made_archive(kind, entries)).what(), HasSubstr(GetParam().reason));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EvilArchive,
    ::testing::Values(
        Evil{"ParentFolder", {{"../evil.csv", "x"}}, "holds ../evil.csv, which would lie outside"},
        Evil{"ParentFolderInside", {{"angry/../../evil.csv", "x"}}, "which would lie outside"},
        Evil{"ParentFolderAtTheEnd", {{"angry/..", "", AE_IFDIR}}, "whose path has \"..\" in it"},
        Evil{"AbsolutePath", {{"/tmp/fer-ddp-evil.csv", "x"}}, "holds /tmp/fer-ddp-evil.csv, which would lie outside"},
        Evil{"DeepFolders",
             {{[] {
                 std::string path;
                 for (int i = 0; i < 20; ++i) path += "a/";
                 return path + "b.csv";
               }(),
               "x"}},
             "which lies in more than 15 folders within each other"},
        Evil{
            "SymbolicLink", {{"angry/link.png", "", AE_IFLNK, "/etc/passwd"}}, "holds angry/link.png, which is a link"},
        Evil{"LinkToAFolder",
             {{"sad", "", AE_IFLNK, "/tmp"}, {"sad/fer-ddp-evil.png", "x"}},
             "holds sad, which is a link"},
        Evil{"HardLink", {{"angry/hard.png", "", AE_IFREG, "angry/a.png"}}, "holds angry/hard.png, which is a link"},
        Evil{"TwoOfOneName", {{"angry/a.png", "x"}}, "angry/a.png: cannot be unpacked: File exists"},
        Evil{"FileAsFolder", {{"angry/a.png/b.png", "x"}}, "cannot be unpacked: "},
        Evil{"LongName", {{"angry/" + std::string(300, 'x'), "x"}}, "cannot be unpacked: File name too long"}),
    [](const auto& param) { return param.param.name; });

TEST_F(Archive, ADeviceIsRefused) {
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kTar, {{"pipe", "", AE_IFIFO}})).what(),
              HasSubstr("holds pipe, which is no plain file"));
}

TEST_F(Archive, WhatSwellsToMoreThanADiskHoldsIsRefused) {
  const std::string zeros(size_t{1} << 20, '\0');
  const std::string archive = made_archive(ArchiveKind::kTarGz, {{"a.csv", zeros}, {"b.csv", zeros}, {"c.csv", zeros}});
  write_text(folder_ / "input", archive);
  EXPECT_NO_THROW(unpack_archive(folder_ / "input", folder_ / "whole"));
  const Error error = error_of([&] { unpack_archive(folder_ / "input", folder_ / "part", 2 << 20); });
  EXPECT_THAT(error.what(), HasSubstr(fmt::format("unpacks to more than {} bytes, many times its own size",
                                                  grouped((2 << 20) + 20 * std::ssize(archive)))));
  EXPECT_EQ(error.exit_code(), 2);
}

TEST_F(Archive, AnEncryptedOneIsNamed) {
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kZip, {{"fer2013.csv", made_csv(3)}}, "secret")).what(),
              HasSubstr("input: is encrypted"));
}

// Cut anywhere it is refused; a zip's and a 7z's index are at their ends, a gzip's and a tar's ends are looked for.
TEST_F(Archive, ACutOneIsRefusedWhereverItEnds) {
  for (const ArchiveKind kind : kArchiveKinds) {
    const std::string whole = made_archive(kind, {{"a.csv", made_csv(3)}, {"b.txt", "x"}});
    for (size_t length = 1; length < whole.size() - (kind == ArchiveKind::kTar ? 512 : 0);
         length += length < 300 ? 41 : 397) {
      SCOPED_TRACE(fmt::format("kind {}, {} of {} bytes", static_cast<int>(kind), length, whole.size()));
      const std::string cut = whole.substr(0, length);
      EXPECT_EQ(refusal(cut).exit_code(), 2);
    }
  }
}

TEST_F(Archive, DamageIsFound) {
  for (const ArchiveKind kind : {ArchiveKind::kTarGz, ArchiveKind::kZip, ArchiveKind::k7z}) {
    std::string archive = made_archive(kind, {{"fer2013.csv", made_csv(20)}});
    archive.replace(archive.size() / 2, 8, "damaged!");
    EXPECT_THAT(refusal(archive).what(), HasSubstr("damaged")) << static_cast<int>(kind);
  }
}

TEST_F(Archive, ATarWithOtherBytesAfterItsEndIsNamedAsSuch) {
  EXPECT_THAT(refusal(made_archive(ArchiveKind::kTar, {{"fer2013.csv", made_csv(3)}}) + std::string(512, 'x')).what(),
              HasSubstr("has other bytes after its end, or is cut short"));
}

TEST_F(Archive, AReaderOfMemoryGivesPathsAndBytes) {
  const std::string bytes = made_archive(ArchiveKind::kTar, {{"./a//b.txt", "hello"}, {"c/", "", AE_IFDIR}});
  ArchiveReader reader(std::as_bytes(std::span(bytes)), "memory");
  std::optional<ArchiveEntry> entry = reader.next();
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->path, "a/b.txt");
  std::array<char, 3> block{};
  EXPECT_EQ(reader.read(block), 3U);
  EXPECT_EQ(reader.read(block), 2U);
  EXPECT_EQ(reader.read(block), 0U);
  entry = reader.next();
  ASSERT_TRUE(entry);
  EXPECT_TRUE(entry->is_folder);
  EXPECT_FALSE(reader.next());
}

}  // namespace
}  // namespace fer_ddp
