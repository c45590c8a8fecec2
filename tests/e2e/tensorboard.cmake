# The event files as the real TensorBoard reads them; skipped where no `tensorboard` package is on the way of python3.
add_executable(tensorboard_sample ${TEST_DIR}/tensorboard_sample.cpp)
target_link_libraries(tensorboard_sample PRIVATE fer_ddp_report fer_ddp_compile_options)
add_test(NAME tensorboard.reads_what_was_written
         COMMAND ${TEST_DIR}/read_tensorboard $<TARGET_FILE:tensorboard_sample>)
set_tests_properties(tensorboard.reads_what_was_written PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
