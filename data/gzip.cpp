#include "data/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include "core/error.h"
#include "data/block_checksum.h"

namespace fer_ddp {

namespace {

constexpr int kGzipFormat = 15 + 16;  // zlib's largest window, and a gzip header and trailer, which it checks
constexpr size_t kInflatedBlock = size_t{1} << 20;

// Takes a run of inflated bytes; false: enough.
using Sink = std::function<bool(std::string_view)>;

class Inflater {
 public:
  Inflater(const SourceFile& file, Sink sink) : file_(file), sink_(std::move(sink)) {
    if (inflateInit2(&stream_, kGzipFormat) != Z_OK) throw machine_error("out of memory");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  // False once the sink has enough.
  [[nodiscard]] bool take(std::span<char> block) {
    stream_.next_in = reinterpret_cast<Bytef*>(block.data());
    stream_.avail_in = static_cast<uInt>(block.size());
    do {
      if (member_ended_ && stream_.avail_in > 0) inflateReset(&stream_);
      if (!inflate_some()) return false;
    } while (stream_.avail_in > 0 || stream_.avail_out == 0);
    return true;
  }

  void require_end() const {
    if (!member_ended_) throw damaged("is cut short");
  }

 private:
  bool inflate_some() {
    stream_.next_out = reinterpret_cast<Bytef*>(inflated_.data());
    stream_.avail_out = static_cast<uInt>(inflated_.size());
    const int outcome = inflate(&stream_, Z_NO_FLUSH);
    if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) throw damaged("is damaged");
    member_ended_ = outcome == Z_STREAM_END || (outcome == Z_BUF_ERROR && member_ended_);
    return sink_({inflated_.data(), inflated_.size() - stream_.avail_out});
  }

  [[nodiscard]] Error damaged(const std::string& how) const {
    return user_error(fmt::format("{}: the gzip file {}", file_.path().string(), how), "Copy or download it again.");
  }

  const SourceFile& file_;
  Sink sink_;
  std::vector<char> inflated_ = std::vector<char>(kInflatedBlock);
  z_stream stream_{};
  bool member_ended_ = false;
};

// Returns the checksum of what was read of the file.
std::string inflate_blocks(const SourceFile& file, const Sink& sink) {
  Inflater inflater(file, sink);
  BlockChecksums checksums;
  std::vector<char> piece(static_cast<size_t>(std::min(kReadAtOnce, file.size())));
  bool more_is_wanted = true;
  for (int64_t begin = 0; more_is_wanted && begin < file.size(); begin += kReadAtOnce) {
    const std::span<char> part =
        std::span(piece).first(static_cast<size_t>(std::min(kReadAtOnce, file.size() - begin)));
    file.read(begin, part);
    checksums.add(part);
    more_is_wanted = inflater.take(part);
  }
  if (more_is_wanted) inflater.require_end();
  checksums.end();
  return combined_checksum(checksums.digits());
}

}  // namespace

std::string inflated_head(const SourceFile& file, int64_t length) {
  std::string head;
  (void)inflate_blocks(file, [&](std::string_view text) {
    head += text.substr(0, static_cast<size_t>(length) - head.size());
    return static_cast<int64_t>(head.size()) < length;
  });
  return head;
}

std::string inflate_to_file(const SourceFile& file, const std::filesystem::path& to) {
  const auto failed = [&] {
    return machine_error(fmt::format("{}: writing failed: {}", to.string(), errno_text(errno)),
                         "Is the disk full? The inflated file needs room beside the shards for a moment.");
  };
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> output(std::fopen(to.c_str(), "wb"), &std::fclose);
  if (!output) throw failed();
  std::string checksum = inflate_blocks(file, [&](std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), output.get()) != text.size()) throw failed();
    return true;
  });
  if (std::fclose(output.release()) != 0) throw failed();
  return checksum;
}

}  // namespace fer_ddp
