fer_ddp_test(core_test
  GROUPED ${TEST_DIR}/core_augmentation.cpp ${TEST_DIR}/core_background_writer.cpp ${TEST_DIR}/core_config.cpp ${TEST_DIR}/core_files.cpp ${TEST_DIR}/core_json_reader.cpp ${TEST_DIR}/core_placement.cpp ${TEST_DIR}/core_random.cpp
          ${TEST_DIR}/core_run_layout.cpp ${TEST_DIR}/core_run_lease.cpp ${TEST_DIR}/core_statistics.cpp ${TEST_DIR}/core_streams.cpp ${TEST_DIR}/core_text.cpp ${TEST_DIR}/core_threads.cpp
          ${TEST_DIR}/learning_rate_curve.cpp
  LINKS fer_ddp_core)
