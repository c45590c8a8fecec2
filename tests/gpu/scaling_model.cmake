# cluster/scaling.md holds what its script prints.
add_test(NAME cluster.scaling_model COMMAND ${CMAKE_SOURCE_DIR}/cluster/scaling_model.py --check ${CMAKE_SOURCE_DIR}/cluster/scaling.md)
set_tests_properties(cluster.scaling_model PROPERTIES TIMEOUT 60)
