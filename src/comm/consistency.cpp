#include "comm/consistency.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "comm/agreement.h"
#include "core/json_text.h"

namespace fer_ddp {

namespace {

std::string excerpt(const std::string& value) { return value.size() <= 120 ? value : value.substr(0, 117) + "..."; }

void require_same(Communicator& communicator, const std::vector<Fact>& facts, Fault fault, const char* advice) {
  const std::vector<std::string> reports = communicator.all_gather(json_text(nlohmann::json(facts)));
  std::vector<nlohmann::json> parsed;
  parsed.reserve(reports.size());
  for (const std::string& report : reports) parsed.push_back(nlohmann::json::parse(report));
  for (size_t rank = 1; rank < parsed.size(); ++rank) {
    for (size_t i = 0; i < facts.size(); ++i) {
      const auto expected = parsed[0][i][1].get<std::string>();
      const auto found = parsed[rank][i][1].get<std::string>();
      if (expected == found) continue;
      throw AgreedError(
          fault,
          fmt::format("{} has another {} than {}: {} against {}", communicator.name_of(static_cast<int>(rank)),
                      facts[i].first, communicator.name_of(0), excerpt(found), excerpt(expected)),
          advice);
    }
  }
}

}  // namespace

void require_agreement(Communicator& communicator, const std::vector<Fact>& facts) {
  require_same(communicator, facts, Fault::kUser,
               "All ranks must see the same files: give them one shared folder, or copy it to each host again.");
}

void require_equal_replicas(Communicator& communicator, const Fact& fact) {
  require_same(communicator, {fact}, Fault::kMachine,
               "Some host computes or sends wrong numbers: look at its memory and network, and --resume without it.");
}

}  // namespace fer_ddp
