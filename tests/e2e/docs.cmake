# What the pages in docs say of the sources and of the program.
add_test(NAME docs.rooms COMMAND ${CMAKE_SOURCE_DIR}/docs/draw_rooms --check)
set_tests_properties(docs.rooms PROPERTIES TIMEOUT 60)
