# Faces as people have them: folders of pictures and archives, through the real executable. Pillow's own decoding is the second opinion.
add_test(NAME pictures.command COMMAND ${TEST_DIR}/pictures_command $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
add_test(NAME pictures.archives COMMAND ${TEST_DIR}/pictures_archives $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
add_test(NAME pictures.pillow COMMAND ${TEST_DIR}/pictures_pillow $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(pictures.command pictures.archives pictures.pillow PROPERTIES TIMEOUT 300
  ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
set_tests_properties(pictures.pillow PROPERTIES SKIP_RETURN_CODE 77)
