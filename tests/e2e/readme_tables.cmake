# README.md's tables of keys and of a run's folder are the program's own.
add_test(NAME readme.tables COMMAND ${TEST_DIR}/readme_tables $<TARGET_FILE:fer-ddp>)
set_tests_properties(readme.tables PROPERTIES TIMEOUT 60)
