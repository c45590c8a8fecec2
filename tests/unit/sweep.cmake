fer_ddp_test(sweep_test
  GROUPED ${TEST_DIR}/sweep_comparison.cpp ${TEST_DIR}/sweep_file.cpp ${TEST_DIR}/sweep_halving.cpp
  LINKS fer_ddp_sweep)
