// The part of CUDA that the kernels are written in, for nvcc: shared memory, launches, copies that run beside the
// computation, shuffles and products of matrix tiles by a warp. tests/cuda_on_host/device_words.h has the same words
// for the host, where the kernels' numbers are tested without a GPU; what is not among them, no kernel uses.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/cuda_error.h"

namespace fer_ddp::cuda {

using Stream = cudaStream_t;

// bfloat16: the upper half of a float.
struct Bf16 {
  uint16_t bits;
};
__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(Bf16 value) { return __uint_as_float(static_cast<uint32_t>(value.bits) << 16); }
// Rounded to the nearest, ties to even.
template <typename T>
__device__ T from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline Bf16 from_float<Bf16>(float value) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}

// Words of 32 bits that move at once: 1, 2 or 4 of them, at an address that is a multiple of their size.
template <int kCount>
struct alignas(4 * kCount) Words {
  uint32_t word[kCount];
};
template <int kCount>
__device__ Words<kCount> load_words(const void* at) {
  return *static_cast<const Words<kCount>*>(at);
}
template <int kCount>
__device__ void store_words(void* at, const Words<kCount>& words) {
  *static_cast<Words<kCount>*>(at) = words;
}

// A kernel's dynamic shared memory, the only one that kernels use.
template <typename T>
__device__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}

// Throws Error (the machine's fault) where the kernel cannot start.
template <typename... Parameters, typename... Arguments>
void launch(dim3 grid, dim3 block, size_t shared_bytes, Stream stream, void (*kernel)(Parameters...),
            Arguments... arguments) {
  kernel<<<grid, block, shared_bytes, stream>>>(arguments...);
  check_cuda(cudaPeekAtLastError(), "starting a kernel");
}

// Starts to copy 16 bytes, both aligned to 16, into shared memory; zeros where `there` is false, and nothing is read.
__device__ inline void start_copy_16(void* shared, const void* global, bool there) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
      "l"(global), "r"(there ? 16 : 0)
      : "memory");
#else
  *static_cast<uint4*>(shared) = there ? *static_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
#endif
}
// Ends a group of copies.
__device__ inline void end_copy_group() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most `kNewest` of this thread's groups are under way.
template <int kNewest>
__device__ void wait_for_copy_groups() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kNewest) : "memory");
#endif
}

// Four 8 x 8 matrices of 16-bit numbers: lane l names row l % 8 of matrix l / 8, 16 bytes in shared memory; word m is
// of matrix m, and holds of row l / 4 the numbers of columns 2 (l % 4) and the next.
__device__ inline void load_matrices(uint32_t (&words)[4], const void* row) {
#if __CUDA_ARCH__ >= 750
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#endif
}
// The same of the transposed matrices.
__device__ inline void load_transposed_matrices(uint32_t (&words)[4], const void* row) {
#if __CUDA_ARCH__ >= 750
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#endif
}

// sum [16][8] += a [16][16] b [16][8] by a warp, in the fragments that PTX gives mma.m16n8k16 (bf16) and, with 8 for
// 16, mma.m16n8k8 (TF32).
__device__ inline void multiply_add_bf16(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
__device__ inline void multiply_add_tf32(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
// Rounded to the ten bits of fraction that TF32 has, to the nearest, ties away from zero.
__device__ inline uint32_t to_tf32(float value) {
#if __CUDA_ARCH__ >= 800
  uint32_t bits = 0;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#else
  return __float_as_uint(value);
#endif
}

}  // namespace fer_ddp::cuda
