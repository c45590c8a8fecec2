// What the double of NCCL asks of the double of the CUDA runtime.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>

// Whether cudaMalloc gave it.
bool is_device_memory(const void* address);

// Runs `work` on the stream, in its order.
void launch_on(cudaStream_t stream, std::function<void()> work);
