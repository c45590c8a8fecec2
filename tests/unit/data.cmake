# The data room's unit tests. Real images are read only where FER2013_CSV points to them.
fer_ddp_test(data_test
  SOURCES ${TEST_DIR}/data_batch_preview.cpp ${TEST_DIR}/data_csv_row.cpp ${TEST_DIR}/data_preprocess.cpp
  GROUPED ${TEST_DIR}/data_archive.cpp ${TEST_DIR}/data_copies.cpp ${TEST_DIR}/data_picture.cpp ${TEST_DIR}/data_pixel_text.cpp ${TEST_DIR}/data_sampler.cpp ${TEST_DIR}/data_shard_format.cpp
          ${TEST_DIR}/data_picture_folder.cpp ${TEST_DIR}/data_split.cpp ${TEST_DIR}/data_staging_folder.cpp ${TEST_DIR}/data_verify.cpp
  LINKS fer_ddp_data ZLIB::ZLIB hdf5::hdf5 JPEG::JPEG PNG::PNG LibArchive::LibArchive)
fer_ddp_test(data_real_file_test MAY_SKIP SOURCES ${TEST_DIR}/data_real_file.cpp LINKS fer_ddp_data)
foreach(_test data_test data_real_file_test)
  target_include_directories(${_test} PRIVATE ${CMAKE_SOURCE_DIR})
endforeach()
