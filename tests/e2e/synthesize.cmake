# Synthetic faces are written in the form of fer2013.csv, whole or not at all.
add_test(NAME synthesize.writes_fer2013_csv COMMAND ${TEST_DIR}/synthesize_command $<TARGET_FILE:fer-ddp>)
set_tests_properties(synthesize.writes_fer2013_csv PROPERTIES TIMEOUT 60)
