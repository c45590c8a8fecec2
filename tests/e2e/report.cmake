add_test(NAME report.command COMMAND ${TEST_DIR}/report_command $<TARGET_FILE:fer-ddp>)
set_tests_properties(report.command PROPERTIES TIMEOUT 120)
