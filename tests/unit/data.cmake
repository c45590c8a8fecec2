# The data room's unit tests. Real images are read only where FER2013_CSV points to them.
foreach(_subject archive batch_preview copies split sampler picture picture_folder pixel_text csv_row preprocess verify shard_format staging_folder)
  fer_ddp_test(data_${_subject}_test
    SOURCES ${TEST_DIR}/data_${_subject}.cpp
    LINKS fer_ddp_data)
  target_include_directories(data_${_subject}_test PRIVATE ${CMAKE_SOURCE_DIR})
endforeach()
fer_ddp_test(data_real_file_test MAY_SKIP SOURCES ${TEST_DIR}/data_real_file.cpp LINKS fer_ddp_data)
target_include_directories(data_real_file_test PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(data_preprocess_test PRIVATE ZLIB::ZLIB)
target_link_libraries(data_shard_format_test PRIVATE hdf5::hdf5)
foreach(_subject archive picture picture_folder)
  target_link_libraries(data_${_subject}_test PRIVATE JPEG::JPEG PNG::PNG)
endforeach()
target_link_libraries(data_archive_test PRIVATE LibArchive::LibArchive)
