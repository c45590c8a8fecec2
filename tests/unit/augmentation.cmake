# On each instruction set that the processor has, which src/kernels chooses.
fer_ddp_test(augmentation_test
  SOURCES ${TEST_DIR}/augmentation.cpp
  LINKS fer_ddp_data fer_ddp_kernels)
target_include_directories(augmentation_test PRIVATE ${CMAKE_SOURCE_DIR})
