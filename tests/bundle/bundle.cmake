# A bundle, an installed tree and a Debian package, each where nothing else of fer-ddp is. Not under the sanitizers: their libraries are the
# machine's, and are not carried.
if(FER_DDP_SANITIZE)
  return()
endif()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bundle)
set(_bundle ${CMAKE_BINARY_DIR}/bundle/bundle.tar)
add_test(NAME bundle.is_made COMMAND ${TEST_DIR}/made_twice ${CMAKE_BINARY_DIR} ${_bundle})
set_tests_properties(bundle.is_made PROPERTIES FIXTURES_SETUP bundle)
add_test(NAME bundle.runs_on_bare_debian_12 COMMAND ${TEST_DIR}/bare_node ${_bundle} debian-12)
add_test(NAME bundle.runs_on_bare_ubuntu_24_04 COMMAND ${TEST_DIR}/bare_node ${_bundle} ubuntu-24.04)
add_test(NAME bundle.runs_under_another_mpirun COMMAND ${TEST_DIR}/other_mpirun ${_bundle} ${MPIEXEC_EXECUTABLE})
add_test(NAME bundle.container_recipes COMMAND ${TEST_DIR}/container_recipes ${_bundle})
set_tests_properties(bundle.runs_on_bare_debian_12 bundle.runs_on_bare_ubuntu_24_04 bundle.runs_under_another_mpirun bundle.container_recipes
  PROPERTIES FIXTURES_REQUIRED bundle)
add_test(NAME install.tree_may_be_moved COMMAND ${TEST_DIR}/installed_tree ${CMAKE_BINARY_DIR} ${MPIEXEC_EXECUTABLE})
add_test(NAME install.debian_package COMMAND ${TEST_DIR}/debian_package ${CMAKE_BINARY_DIR})
add_test(NAME bundle.without_torch COMMAND ${TEST_DIR}/without_torch ${CMAKE_BINARY_DIR} ${FER_DDP_TORCH_ROOT})
set_tests_properties(bundle.is_made bundle.runs_on_bare_debian_12 bundle.runs_on_bare_ubuntu_24_04 bundle.runs_under_another_mpirun
  bundle.container_recipes bundle.without_torch install.tree_may_be_moved install.debian_package
  PROPERTIES LABELS bundle TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77)
set_tests_properties(bundle.without_torch PROPERTIES TIMEOUT 900)  # most of it is xz's
