// What the doubles of NCCL and of the CUDA runtime ask of each other, and the tests of them.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <functional>

// Whether cudaMalloc gave it.
bool is_device_memory(const void* address);

// CUDA graphs that are alive and hold collectives: NCCL neither ends nor aborts a communicator before there are none.
inline std::atomic<int> live_graphs{0};

// Runs `work` on the stream, in its order; where the stream is recording, whenever the graph runs.
void launch_on(cudaStream_t stream, std::function<void()> work);

// Whether the stream is recording; its graph then holds a collective.
bool record_collective(cudaStream_t stream);
