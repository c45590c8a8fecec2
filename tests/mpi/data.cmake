# The data room's multi-rank tests.
fer_ddp_mpi_test(data_preprocess_mpi_test RANKS 1 2 3 4
  SOURCES ${TEST_DIR}/data_preprocess.cpp
  LINKS fer_ddp_data)
target_link_libraries(data_preprocess_mpi_test PRIVATE JPEG::JPEG PNG::PNG)
