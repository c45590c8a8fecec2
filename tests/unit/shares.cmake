fer_ddp_test(shares_test
  SOURCES ${TEST_DIR}/shares.cpp
  LINKS fer_ddp_data fer_ddp_kernels)
