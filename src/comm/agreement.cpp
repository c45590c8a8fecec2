#include "comm/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/json_text.h"

namespace fer_ddp {

namespace {

std::optional<Error> error_of(const std::function<void()>& work) {
  try {
    work();
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return machine_error("out of memory");
  } catch (const std::exception& failure) {
    return machine_error(failure.what());
  }
}

void agree(Communicator& communicator, const std::optional<Error>& mine) {
  std::array<int64_t, 1> failures = {mine ? 1 : 0};
  communicator.all_reduce(std::span<int64_t>(failures), ReduceOperation::kMax);
  if (failures[0] == 0) return;
  std::string report;
  if (mine) report = json_text(nlohmann::json{mine->exit_code(), mine->what(), mine->advice()});
  const std::vector<std::string> reports = communicator.all_gather(report);
  const auto first =
      std::find_if(reports.begin(), reports.end(), [](const std::string& text) { return !text.empty(); });
  const auto found = nlohmann::json::parse(*first);
  const auto fault = static_cast<Fault>(found[0].get<int>());
  auto what = found[1].get<std::string>();
  if (fault == Fault::kMachine && communicator.size() > 1 && !what.starts_with("rank "))
    what = fmt::format("{}: {}", communicator.name_of(static_cast<int>(first - reports.begin())), what);
  throw AgreedError(fault, what, found[2].get<std::string>());
}

}  // namespace

void run_together(Communicator& communicator, const std::function<void()>& local_work) {
  agree(communicator, error_of(local_work));
}

void run_on_rank_0(Communicator& communicator, const std::function<void()>& work) {
  agree(communicator, communicator.rank() == 0 ? error_of(work) : std::nullopt);
}

std::string broadcast_text(Communicator& communicator, const std::string& text) {
  std::array<uint64_t, 1> length = {text.size()};
  communicator.broadcast(std::as_writable_bytes(std::span(length)), 0);
  std::string received = text;
  received.resize(length[0]);
  communicator.broadcast(std::as_writable_bytes(std::span(received)), 0);
  return received;
}

}  // namespace fer_ddp
