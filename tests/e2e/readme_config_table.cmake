# README.md's table of configuration keys is the program's own.
add_test(NAME readme.config_table COMMAND ${TEST_DIR}/readme_config_table $<TARGET_FILE:fer-ddp>)
set_tests_properties(readme.config_table PROPERTIES TIMEOUT 60)
