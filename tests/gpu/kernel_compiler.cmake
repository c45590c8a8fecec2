# How CUDA kernels are compiled: no GPU is needed, but nvcc from NVIDIA's wheels.
add_test(NAME cuda.kernel_compiler COMMAND ${TEST_DIR}/kernel_compiler ${FER_DDP_TORCH_ROOT} ${CMAKE_CXX_COMPILER})
set_tests_properties(cuda.kernel_compiler PROPERTIES TIMEOUT 300 PROCESSORS 2 SKIP_RETURN_CODE 77)
