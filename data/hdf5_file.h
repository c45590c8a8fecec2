// As much of HDF5 as shards need, each handle with one owner: files of groups of chunked, Fletcher32-checksummed
// datasets, written and read in runs of rows. What is written carries no times, so the same content gives the same
// bytes. HDF5's own error printing is off: a failure while writing is an Error of the machine's, one while reading says
// that the file is damaged (the user's fault). HDF5 takes one lock around everything: call it from one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fer_ddp {

enum class Hdf5Type { kUint8, kInt32 };

class Hdf5Handle {
 public:
  using Close = int (*)(int64_t);

  Hdf5Handle() = default;
  Hdf5Handle(int64_t id, Close closer) : id_(id), close_(closer) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle() { (void)close(); }

  [[nodiscard]] int64_t id() const { return id_; }

  // False where HDF5 could not finish, as with a full disk. Does nothing the second time.
  [[nodiscard]] bool close() { return id_ < 0 || close_(std::exchange(id_, -1)) >= 0; }

 private:
  int64_t id_ = -1;
  Close close_ = nullptr;
};

// A dataset of equal rows, each of `row_shape` elements.
class Hdf5Dataset {
 public:
  [[nodiscard]] int64_t rows() const { return rows_; }

  void write(int64_t first_row, std::span<const uint8_t> elements) {
    write(first_row, elements.data(), elements.size());
  }
  void write(int64_t first_row, std::span<const int32_t> elements) {
    write(first_row, elements.data(), elements.size());
  }
  void read(int64_t first_row, std::span<uint8_t> elements) const { read(first_row, elements.data(), elements.size()); }
  void read(int64_t first_row, std::span<int32_t> elements) const { read(first_row, elements.data(), elements.size()); }

  // Ends writing: what is still in memory goes to the file. Throws Error where it does not get there.
  void close();

 private:
  friend class Hdf5File;
  void write(int64_t first_row, const void* elements, size_t count);
  void read(int64_t first_row, void* elements, size_t count) const;
  [[nodiscard]] Hdf5Handle selected_rows(int64_t first_row, int64_t count) const;

  Hdf5Handle handle_;
  std::string where_;  // file and dataset, for errors
  Hdf5Type type_ = Hdf5Type::kUint8;
  int64_t rows_ = 0;
  int64_t row_size_ = 1;              // elements
  std::vector<int64_t> row_shape_{};  // empty: one element
};

class Hdf5File {
 public:
  // Replaces what is there.
  [[nodiscard]] static Hdf5File create(const std::filesystem::path& path);
  [[nodiscard]] static Hdf5File open(const std::filesystem::path& path);

  void create_group(const std::string& name);

  // `name` is "group/dataset". Chunks hold `chunk_rows` rows, or all of them where there are fewer.
  [[nodiscard]] Hdf5Dataset create_dataset(const std::string& name, Hdf5Type type, int64_t rows,
                                           std::vector<int64_t> row_shape, int64_t chunk_rows);

  // Throws Error where the dataset is not there or has another type or row shape.
  [[nodiscard]] Hdf5Dataset open_dataset(const std::string& name, Hdf5Type type, std::vector<int64_t> row_shape) const;

  // Ends writing. All datasets must be closed. Throws Error where not everything could be written.
  void close();

 private:
  Hdf5File(Hdf5Handle handle, const std::filesystem::path& path) : handle_(std::move(handle)), path_(path) {}

  Hdf5Handle handle_;
  std::filesystem::path path_;
};

}  // namespace fer_ddp
