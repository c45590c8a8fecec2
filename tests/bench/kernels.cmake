# What tests/bench/convolutions.py runs beside PyTorch.
foreach(_bench convolutions vgg_step)
  add_executable(${_bench} ${TEST_DIR}/kernels/${_bench}.cpp)
  target_include_directories(${_bench} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${_bench} PRIVATE fer_ddp_kernels fer_ddp_compile_options)
endforeach()

# What tests/bench/kernel_resources.py sets beside the compiler's report.
add_executable(kernel_launches ${TEST_DIR}/kernels/kernel_launches.cpp)
target_include_directories(kernel_launches PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(kernel_launches PRIVATE fer_ddp_train host_kernels cuda_on_host ${CMAKE_DL_LIBS} fer_ddp_compile_options)
set_target_properties(kernel_launches PROPERTIES BUILD_RPATH ${FER_DDP_TORCH_ROOT}/torch/lib)
