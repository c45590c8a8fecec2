// Compiles a function once for AVX-512, once for AVX2 and once for any x86-64, and picks at load time. The loops inside
// are plain C++ that the compiler vectorises; their arithmetic is element-wise, so every version gives the same
// numbers.
#pragma once

// A sanitizer's run time is not up yet when the loader asks which version to take.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define FER_DDP_MULTIVERSION __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FER_DDP_MULTIVERSION
#endif
