fer_ddp_test(convolution_kernels_test COMPUTES
  SOURCES ${TEST_DIR}/image_convolution.cpp ${TEST_DIR}/mapped_values.cpp ${TEST_DIR}/pooling.cpp ${TEST_DIR}/residual.cpp
          ${TEST_DIR}/strided_convolution.cpp ${TEST_DIR}/strided_tiles.cpp ${TEST_DIR}/tile_convolution.cpp ${TEST_DIR}/winograd.cpp
  LINKS fer_ddp_kernels)
target_include_directories(convolution_kernels_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
