#include "core/expressions.h"

#include <algorithm>
#include <numeric>

namespace fer_ddp {

int64_t total(const ClassCounts& counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

int majority_class(const ClassCounts& counts) {
  return static_cast<int>(std::max_element(counts.begin(), counts.end()) - counts.begin());
}

std::vector<std::string> expression_names() { return {kExpressionNames.begin(), kExpressionNames.end()}; }

}  // namespace fer_ddp
