// The shard format, read by HDF5 itself: what other programs may rely on.
#include <gtest/gtest.h>
#include <hdf5.h>

#include <algorithm>

#include "comm/identity_communicator.h"
#include "data/preprocess.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

class ShardFormat : public ::testing::Test {
 protected:
  void SetUp() override {
    RunLog log(true);
    write_text(folder_ / "fer2013.csv", made_csv(150));
    preprocess({.input = folder_ / "fer2013.csv", .output = folder_ / "shards", .shards = 1},
               *make_identity_communicator(), log);
    file_ = H5Fopen((folder_ / "shards" / "shard-00000-of-00001.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    ASSERT_GE(file_, 0);
  }
  void TearDown() override { H5Fclose(file_); }

  void expect_dataset(const std::string& name, std::vector<hsize_t> shape, hid_t type) const {
    SCOPED_TRACE(name);
    const hid_t dataset = H5Dopen2(file_, name.c_str(), H5P_DEFAULT);
    const hid_t space = H5Dget_space(dataset);
    const hid_t stored = H5Dget_type(dataset);
    const hid_t creation = H5Dget_create_plist(dataset);
    std::vector<hsize_t> found(static_cast<size_t>(H5Sget_simple_extent_ndims(space)));
    H5Sget_simple_extent_dims(space, found.data(), nullptr);
    EXPECT_EQ(found, shape);
    EXPECT_GT(H5Tequal(stored, type), 0);
    H5Pget_chunk(creation, static_cast<int>(found.size()), found.data());
    shape[0] = std::min<hsize_t>(shape[0], 64);
    EXPECT_EQ(found, shape);
    EXPECT_EQ(H5Pget_nfilters(creation), 1);
    size_t no_values = 0;
    EXPECT_EQ(H5Pget_filter2(creation, 0, nullptr, &no_values, nullptr, 0, nullptr, nullptr), H5Z_FILTER_FLETCHER32);
    H5Pclose(creation);
    H5Tclose(stored);
    H5Sclose(space);
    H5Dclose(dataset);
  }

  void expect_no_times(const std::string& name) const {
    H5O_info_t info;
    H5Oget_info_by_name(file_, name.c_str(), &info, H5P_DEFAULT);
    EXPECT_EQ(info.mtime, 0) << name;
    EXPECT_EQ(info.ctime, 0) << name;
  }

  TemporaryFolder folder_;
  hid_t file_ = -1;
};

TEST_F(ShardFormat, HasAGroupOfThreeDatasetsForEachSplit) {
  for (const auto& [split, rows] : {std::pair<std::string, hsize_t>{"train", 105}, {"validation", 30}, {"test", 15}}) {
    expect_dataset(split + "/images", {rows, 48, 48}, H5T_STD_U8LE);
    expect_dataset(split + "/labels", {rows}, H5T_STD_U8LE);
    expect_dataset(split + "/source_row", {rows}, H5T_STD_I32LE);
  }
}

TEST_F(ShardFormat, SourceRowsCountFromZeroOverAllSplits) {
  std::vector<int32_t> rows(30);
  const hid_t dataset = H5Dopen2(file_, "validation/source_row", H5P_DEFAULT);
  H5Dread(dataset, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data());
  H5Dclose(dataset);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(rows[static_cast<size_t>(i)], 105 + i);
}

TEST_F(ShardFormat, NoObjectCarriesATime) {
  for (const std::string name : {"/", "train", "train/images", "train/labels", "train/source_row"})
    expect_no_times(name);
}

}  // namespace
}  // namespace fer_ddp
