fer_ddp_test(run_result_test
  SOURCES ${TEST_DIR}/evaluation.cpp ${TEST_DIR}/run_result.cpp
  LINKS fer_ddp_core)
