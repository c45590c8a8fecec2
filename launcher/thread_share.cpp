#include "launcher/thread_share.h"

#include <nlohmann/json.hpp>

#include "core/cpu_placement.h"
#include "core/host.h"
#include "core/json_text.h"

namespace fer_ddp {

int take_thread_share(Communicator& communicator) {
  const nlohmann::json own = {machine_identity(), physical_cores(take_node_share())};
  const std::vector<std::string> reports = communicator.all_gather(json_text(own));
  std::vector<std::set<int>> neighbours;
  size_t own_place = 0;
  for (size_t rank = 0; rank < reports.size(); ++rank) {
    const auto report = nlohmann::json::parse(reports[rank]);
    if (report[0] != own[0]) continue;
    if (rank == static_cast<size_t>(communicator.rank())) own_place = neighbours.size();
    neighbours.push_back(report[1].get<std::set<int>>());
  }
  return fair_thread_count(neighbours, own_place);
}

}  // namespace fer_ddp
