# The committed experiments are configurations that the program accepts.
add_test(NAME experiments.are_accepted COMMAND ${TEST_DIR}/experiments $<TARGET_FILE:fer-ddp>)
set_tests_properties(experiments.are_accepted PROPERTIES TIMEOUT 60)
