#include "cuda/graph_recorder.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace fer_ddp {

namespace {

// Ends a recording whose work has failed. A stream that is still recording refuses everything else, and what cleans up
// after the error needs it. That ending fails as well is ignored: the first error is the one to report.
void end_quietly(WorkGraph& graph) noexcept {
  try {
    graph.end();
  } catch (...) {
  }
}

}  // namespace

void GraphRecorder::run(int64_t key, const std::function<void()>& work) {
  Recording& recording = recordings_[key];
  if (recording.runs < kRunsBeforeRecording) {
    ++recording.runs;
    work();
    return;
  }
  if (!recording.graph) recording.graph = record(work);
  recording.graph->replay();
}

void record_into(WorkGraph& graph, const std::function<void()>& work) {
  graph.begin();
  try {
    work();
  } catch (...) {
    end_quietly(graph);
    throw;
  }
  graph.end();
}

std::unique_ptr<WorkGraph> GraphRecorder::record(const std::function<void()>& work) const {
  std::unique_ptr<WorkGraph> graph = make_graph_();
  try {
    record_into(*graph, work);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& failure) {
    throw machine_error(
        fmt::format("the training step could not be recorded as a CUDA graph: {}", first_line(failure.what())),
        "Set cuda_graph to false: the step is then started operator by operator, and the results are the same.");
  }
  return graph;
}

std::vector<std::unique_ptr<WorkGraph>> GraphRecorder::take() {
  std::vector<std::unique_ptr<WorkGraph>> graphs;
  for (auto& [key, recording] : recordings_)
    if (recording.graph) graphs.push_back(std::move(recording.graph));
  return graphs;
}

}  // namespace fer_ddp
