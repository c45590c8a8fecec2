# What the pages in docs say of the sources and of the program.
add_test(NAME docs.rooms COMMAND ${CMAKE_SOURCE_DIR}/docs/draw_rooms --check)
set_tests_properties(docs.rooms PROPERTIES TIMEOUT 60)

# Every command of the pages that are read with a terminal beside them.
foreach(_page tutorial sweeps cluster)
  add_test(NAME docs.${_page} COMMAND ${TEST_DIR}/docs_commands ${CMAKE_SOURCE_DIR}/docs/${_page}.md $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
  set_tests_properties(docs.${_page} PROPERTIES TIMEOUT 900 PROCESSORS 2 SKIP_RETURN_CODE 77 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
endforeach()
