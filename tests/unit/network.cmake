fer_ddp_test(network_test
  SOURCES ${TEST_DIR}/network.cpp ${TEST_DIR}/network_table.cpp
  LINKS fer_ddp_network)
target_include_directories(network_test PRIVATE ${CMAKE_SOURCE_DIR} ${TEST_DIR})
