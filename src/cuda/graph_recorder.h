// Work that is recorded as a graph once it has run a few times, and replayed from then on: one graph for each key. What
// a graph is stands behind an interface, so that when to record, and what to say when it fails, is tested without a
// GPU.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace fer_ddp {

class WorkGraph {
 public:
  WorkGraph() = default;
  WorkGraph(const WorkGraph&) = delete;
  WorkGraph& operator=(const WorkGraph&) = delete;
  virtual ~WorkGraph() = default;

  // Between the two, what the calling thread starts is recorded instead of run. Both throw where that fails.
  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void replay() = 0;
};

// Throws what the work throws, with the recording ended: a stream that is still recording refuses everything else.
void record_into(WorkGraph& graph, const std::function<void()>& work);

class GraphRecorder {
 public:
  // NCCL connects, cuDNN chooses its algorithms and LibTorch takes its workspaces in these: none can be recorded.
  static constexpr int kRunsBeforeRecording = 3;

  explicit GraphRecorder(std::function<std::unique_ptr<WorkGraph>()> make_graph) : make_graph_(std::move(make_graph)) {}

  // Throws Error (the machine's fault) that says how to do without, where the work cannot be recorded; an Error of the
  // work's own comes out as it is.
  void run(int64_t key, const std::function<void()>& work);

  // Hands the graphs over to whoever is to destroy them. What is recorded anew afterwards has run often enough.
  [[nodiscard]] std::vector<std::unique_ptr<WorkGraph>> take();

 private:
  struct Recording {
    int runs = 0;
    std::unique_ptr<WorkGraph> graph;
  };

  std::unique_ptr<WorkGraph> record(const std::function<void()>& work) const;

  std::function<std::unique_ptr<WorkGraph>()> make_graph_;
  std::map<int64_t, Recording> recordings_;
};

}  // namespace fer_ddp
