add_test(NAME report.command COMMAND ${TEST_DIR}/report_command $<TARGET_FILE:fer-ddp>)
set_tests_properties(report.command PROPERTIES TIMEOUT 120)
add_test(NAME report.in_browser COMMAND ${TEST_DIR}/report_in_browser $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(report.in_browser PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77
  ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
