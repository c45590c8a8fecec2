# The data room's fuzz test: bounded and from a fixed seed, so that it is a test like any other.
fer_ddp_test(data_csv_import_fuzz_test
  SOURCES ${TEST_DIR}/csv_import.cpp
  LINKS fer_ddp_data ZLIB::ZLIB)
target_include_directories(data_csv_import_fuzz_test PRIVATE ${CMAKE_SOURCE_DIR})
