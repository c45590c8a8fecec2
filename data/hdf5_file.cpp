#include "data/hdf5_file.h"

#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/error.h"

namespace fer_ddp {

namespace {

static_assert(std::is_same_v<hid_t, int64_t> && std::is_same_v<herr_t, int>);

// The innermost of HDF5's messages about the last failure: the cause.
std::string hdf5_reason() {
  std::string reason;
  const auto take = [](unsigned, const H5E_error2_t* entry, void* into) -> herr_t {
    if (entry->desc != nullptr) *static_cast<std::string*>(into) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take, &reason);
  return reason.empty() ? "unknown reason" : reason;
}

Error write_error(const std::string& where) {
  return machine_error(fmt::format("{}: writing failed: {}", where, hdf5_reason()),
                       "Is the disk full, or a quota reached?");
}

Error read_error(const std::string& where) {
  return user_error(fmt::format("{}: is damaged: {}", where, hdf5_reason()),
                    "Copy it again, or make the shards again: fer-ddp preprocess INPUT OUT --overwrite.");
}

using Failure = std::function<Error()>;

// Everything that HDF5 answers goes through these two: a negative number is a failure.
Hdf5Handle checked(int64_t id, Hdf5Handle::Close close, const Failure& failure) {
  if (id < 0) throw failure();
  return {id, close};
}

void require(int answer, const Failure& failure) {
  if (answer < 0) throw failure();
}

// The error of a call that touches no file, and so fails only where HDF5 itself or the memory does.
Error library_error() { return machine_error(fmt::format("HDF5 failed: {}", hdf5_reason())); }

int64_t stored_type(Hdf5Type type) { return type == Hdf5Type::kUint8 ? H5T_STD_U8LE : H5T_STD_I32LE; }
int64_t memory_type(Hdf5Type type) { return type == Hdf5Type::kUint8 ? H5T_NATIVE_UINT8 : H5T_NATIVE_INT32; }

std::vector<hsize_t> dimensions(int64_t rows, const std::vector<int64_t>& row_shape) {
  std::vector<hsize_t> all = {static_cast<hsize_t>(rows)};
  all.insert(all.end(), row_shape.begin(), row_shape.end());
  return all;
}

int64_t element_count(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// Files are written aside by one process and read when finished, so HDF5's locks, which Lustre and NFS may lack, are
// not needed. The 1.10 format checksums its metadata too.
Hdf5Handle file_access() {
  require(H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr), library_error);
  Hdf5Handle access = checked(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, library_error);
  require(H5Pset_file_locking(access.id(), false, true), library_error);
  require(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V110, H5F_LIBVER_V110), library_error);
  return access;
}

Hdf5Handle without_times(int64_t property_class) {
  Hdf5Handle properties = checked(H5Pcreate(property_class), H5Pclose, library_error);
  require(H5Pset_obj_track_times(properties.id(), false), library_error);
  return properties;
}

// A dataspace of these dimensions.
Hdf5Handle space_of(const std::vector<hsize_t>& extent) {
  return checked(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose, library_error);
}

}  // namespace

Hdf5Handle Hdf5Dataset::selected_rows(int64_t first_row, int64_t count) const {
  Hdf5Handle space = checked(H5Dget_space(handle_.id()), H5Sclose, library_error);
  std::vector<hsize_t> start(1 + row_shape_.size(), 0);
  start[0] = static_cast<hsize_t>(first_row);
  require(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, dimensions(count, row_shape_).data(),
                              nullptr),
          library_error);
  return space;
}

void Hdf5Dataset::write(int64_t first_row, const void* elements, size_t count) {
  if (count == 0) return;
  const int64_t rows = static_cast<int64_t>(count) / row_size_;
  const Hdf5Handle in_file = selected_rows(first_row, rows);
  const Hdf5Handle in_memory = space_of(dimensions(rows, row_shape_));
  require(H5Dwrite(handle_.id(), memory_type(type_), in_memory.id(), in_file.id(), H5P_DEFAULT, elements),
          [&] { return write_error(where_); });
}

void Hdf5Dataset::read(int64_t first_row, void* elements, size_t count) const {
  if (count == 0) return;
  const int64_t rows = static_cast<int64_t>(count) / row_size_;
  const Hdf5Handle in_file = selected_rows(first_row, rows);
  const Hdf5Handle in_memory = space_of(dimensions(rows, row_shape_));
  require(H5Dread(handle_.id(), memory_type(type_), in_memory.id(), in_file.id(), H5P_DEFAULT, elements),
          [&] { return read_error(where_); });
}

void Hdf5Dataset::close() {
  if (!handle_.close()) throw write_error(where_);
}

Hdf5File Hdf5File::create(const std::filesystem::path& path) {
  const Hdf5Handle access = file_access();
  const Hdf5Handle creation = without_times(H5P_FILE_CREATE);
  return {checked(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose,
                  [&] { return write_error(path.string()); }),
          path};
}

Hdf5File Hdf5File::open(const std::filesystem::path& path) {
  const Hdf5Handle access = file_access();
  return {
      checked(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose, [&] { return read_error(path.string()); }),
      path};
}

void Hdf5File::create_group(const std::string& name) {
  const Hdf5Handle creation = without_times(H5P_GROUP_CREATE);
  const Failure failure = [&] { return write_error(path_.string()); };
  Hdf5Handle group =
      checked(H5Gcreate2(handle_.id(), name.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose, failure);
  if (!group.close()) throw failure();
}

Hdf5Dataset Hdf5File::create_dataset(const std::string& name, Hdf5Type type, int64_t rows,
                                     std::vector<int64_t> row_shape, int64_t chunk_rows) {
  Hdf5Dataset dataset;
  dataset.where_ = fmt::format("{}, {}", path_.string(), name);
  dataset.type_ = type;
  dataset.rows_ = rows;
  dataset.row_size_ = element_count(row_shape);
  dataset.row_shape_ = std::move(row_shape);

  const auto chunk = dimensions(std::clamp<int64_t>(rows, 1, chunk_rows), dataset.row_shape_);
  const auto extent = dimensions(rows, dataset.row_shape_);
  const Hdf5Handle creation = without_times(H5P_DATASET_CREATE);
  require(H5Pset_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data()), library_error);
  require(H5Pset_fletcher32(creation.id()), library_error);
  const Hdf5Handle space = space_of(extent);
  dataset.handle_ = checked(
      H5Dcreate2(handle_.id(), name.c_str(), stored_type(type), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
      H5Dclose, [&] { return write_error(dataset.where_); });
  return dataset;
}

Hdf5Dataset Hdf5File::open_dataset(const std::string& name, Hdf5Type type, std::vector<int64_t> row_shape) const {
  Hdf5Dataset dataset;
  dataset.where_ = fmt::format("{}, {}", path_.string(), name);
  dataset.type_ = type;
  dataset.row_size_ = element_count(row_shape);
  dataset.row_shape_ = std::move(row_shape);
  const Failure failure = [&] { return read_error(dataset.where_); };
  dataset.handle_ = checked(H5Dopen2(handle_.id(), name.c_str(), H5P_DEFAULT), H5Dclose, failure);

  const Hdf5Handle space = checked(H5Dget_space(dataset.handle_.id()), H5Sclose, failure);
  const Hdf5Handle stored = checked(H5Dget_type(dataset.handle_.id()), H5Tclose, failure);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  require(rank, failure);
  std::vector<hsize_t> extent(static_cast<size_t>(rank));
  require(H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr), failure);
  const int same_type = H5Tequal(stored.id(), stored_type(type));
  require(same_type, failure);
  if (!extent.empty()) dataset.rows_ = static_cast<int64_t>(extent[0]);
  if (extent != dimensions(dataset.rows_, dataset.row_shape_) || same_type == 0)
    throw user_error(fmt::format("{}: is damaged: it has another shape or type than a shard's", dataset.where_));
  return dataset;
}

void Hdf5File::close() {
  if (!handle_.close()) throw write_error(path_.string());
}

}  // namespace fer_ddp
