#include "network/gradient_memory.h"

#include <algorithm>
#include <map>

namespace fer_ddp {

namespace {

struct Group {
  std::vector<size_t> stages{};
  size_t begin = 0;  // passes that it lives in; backward goes from `end` down to `begin`
  size_t end = 0;
  int64_t size = 0;
};

std::vector<size_t> last_readers(const StagePlan& plan) {
  const size_t count = plan.stages.size();
  std::vector<size_t> last(count, count);
  for (size_t i = 0; i < count; ++i)
    for (const int read : {plan.stages[i].input, plan.stages[i].shortcut})
      if (read != StageSpec::kImages) last[static_cast<size_t>(read)] = i;
  last.back() = count;
  return last;
}

// Of each stage, the one whose gradient is in the same memory: itself, or a residual's end. Where a residual's body is
// one stage, that one would still read what it adds to.
std::vector<size_t> same_gradients(const StagePlan& plan, const std::vector<size_t>& last_reader) {
  const size_t count = plan.stages.size();
  std::vector<size_t> same_as(count);
  for (size_t i = 0; i < count; ++i) same_as[i] = i;
  for (size_t i = count; i-- > 0;) {
    const StageSpec& spec = plan.stages[i];
    if (spec.kind != StageSpec::Kind::kResidual) continue;
    same_as[static_cast<size_t>(spec.input)] = same_as[i];
    const auto shortcut = static_cast<size_t>(spec.shortcut);
    if (plan.stages[static_cast<size_t>(spec.input)].input == spec.shortcut) continue;
    if (reading_of(plan.stages[shortcut]) == Reading::kMappedOnly || last_reader[shortcut] == i)
      same_as[shortcut] = same_as[i];
  }
  return same_as;
}

}  // namespace

GradientMemory plan_gradient_memory(const StagePlan& plan) {
  const std::vector<size_t> last_reader = last_readers(plan);
  const std::vector<size_t> same_as = same_gradients(plan, last_reader);
  std::map<size_t, Group> by_stage;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    Group& group = by_stage[same_as[i]];
    group.begin = group.stages.empty() ? i : std::min(group.begin, i);
    group.end = std::max(group.end, last_reader[i]);
    group.size = std::max(group.size, plan.stages[i].output.size());
    group.stages.push_back(i);
  }
  std::vector<Group> groups;
  groups.reserve(by_stage.size());
  for (const auto& [stage, group] : by_stage) groups.push_back(group);
  // In the order in which backward comes to them.
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.end > b.end; });
  GradientMemory memory{.slot_of_stage = std::vector<size_t>(plan.stages.size())};
  std::vector<size_t> free_from;  // by slot: the pass in which the group in it ends
  for (const Group& group : groups) {
    size_t slot = 0;
    while (slot < free_from.size() && free_from[slot] <= group.end) ++slot;
    if (slot == free_from.size()) {
      memory.slot_sizes.push_back(0);
      free_from.push_back(0);
    }
    memory.slot_sizes[slot] = std::max(memory.slot_sizes[slot], group.size);
    free_from[slot] = group.begin;
    for (const size_t stage : group.stages) memory.slot_of_stage[stage] = slot;
  }
  return memory;
}

StagePlan without_materialized(const StagePlan& plan) {
  StagePlan left{.refusal = plan.refusal, .head = plan.head, .kernels = plan.kernels};
  std::vector<int> now_at;  // by the plan's stage
  const auto moved = [&](int stage) {
    return stage == StageSpec::kImages ? stage : now_at[static_cast<size_t>(stage)];
  };
  for (StageSpec spec : plan.stages) {
    spec.input = moved(spec.input);
    spec.shortcut = moved(spec.shortcut);
    if (spec.kind == StageSpec::Kind::kMaterialize) {
      now_at.push_back(spec.input);
      continue;
    }
    now_at.push_back(static_cast<int>(left.stages.size()));
    left.stages.push_back(spec);
  }
  return left;
}

}  // namespace fer_ddp
