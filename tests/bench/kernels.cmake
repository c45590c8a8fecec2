# What tests/bench/convolutions.py runs beside PyTorch.
foreach(_bench convolutions vgg_step)
  add_executable(${_bench} ${TEST_DIR}/kernels/${_bench}.cpp)
  target_include_directories(${_bench} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${_bench} PRIVATE fer_ddp_kernels fer_ddp_compile_options)
endforeach()
