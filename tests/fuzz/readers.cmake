# A libFuzzer executable for each reader of what comes from outside, in the fuzz build alone: tests/fuzz/run builds and runs them.
if(NOT FER_DDP_FUZZ)
  return()
endif()

add_custom_target(fuzzers)

# fer_ddp_fuzzer(NAME SOURCES further files LINKS ...): tests/fuzz/NAME.cpp as fuzz_NAME.
function(fer_ddp_fuzzer name)
  cmake_parse_arguments(FUZZER "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${TEST_DIR}/${name}.cpp ${FUZZER_SOURCES})
  target_include_directories(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests/unit)
  target_link_libraries(fuzz_${name} PRIVATE ${FUZZER_LINKS} fer_ddp_compile_options)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers fuzz_${name})
endfunction()

# The readers' own files of rooms that want LibTorch, gRPC or MPI as well: nothing else must be built to fuzz them. A room's are compiled
# in one go, which takes a third of the time.
add_library(fer_ddp_fuzzed_files STATIC EXCLUDE_FROM_ALL)
set_target_properties(fer_ddp_fuzzed_files PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
set_target_properties(fer_ddp_core PROPERTIES UNITY_BUILD ON)
set(_data csv_row hdf5_file import_ahead manifest pixel_text sampler shard_file split)
set(_model safetensors)
set(_report csv_fields history predictions)
set(_status pem secrets)
set(_train decision_maker early_stopping plateau checkpoint_state)
foreach(_room data model report status train)
  set(_folder ${CMAKE_SOURCE_DIR}/src/${_room})
  if(_room STREQUAL data)
    set(_folder ${CMAKE_SOURCE_DIR}/data)
  endif()
  list(TRANSFORM _${_room} PREPEND ${_folder}/)
  list(TRANSFORM _${_room} APPEND .cpp)
  target_sources(fer_ddp_fuzzed_files PRIVATE ${_${_room}})
  set_source_files_properties(${_${_room}} PROPERTIES UNITY_GROUP ${_room})
  target_include_directories(fer_ddp_fuzzed_files PUBLIC ${CMAKE_BINARY_DIR}/rooms/${_room})
endforeach()
# Told of every comparison of a digit, libFuzzer would take most of its time for those and learn nothing from them.
set_source_files_properties(${CMAKE_SOURCE_DIR}/data/pixel_text.cpp PROPERTIES
  SKIP_UNITY_BUILD_INCLUSION ON COMPILE_OPTIONS -fno-sanitize-coverage=trace-cmp)
# Apart from the others, as the C libraries' headers define macros.
set(_pictures archive exif jpeg_picture picture picture_folder picture_scaling png_picture source_file)
list(TRANSFORM _pictures PREPEND ${CMAKE_SOURCE_DIR}/data/)
list(TRANSFORM _pictures APPEND .cpp)
target_sources(fer_ddp_fuzzed_files PRIVATE ${_pictures})
set_source_files_properties(${_pictures} PROPERTIES UNITY_GROUP pictures)
target_include_directories(fer_ddp_fuzzed_files PUBLIC ${CMAKE_BINARY_DIR}/rooms/comm)
target_link_libraries(fer_ddp_fuzzed_files PUBLIC fer_ddp_core hdf5::hdf5 JPEG::JPEG LibArchive::LibArchive OpenSSL::SSL OpenSSL::Crypto PNG::PNG
  PRIVATE fer_ddp_compile_options)

foreach(_reader archive config csv_row history manifest picture predictions result safetensors shard token checkpoint_state)
  fer_ddp_fuzzer(${_reader} LINKS fer_ddp_fuzzed_files)
endforeach()
fer_ddp_fuzzer(pem SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/certificates.cpp LINKS fer_ddp_fuzzed_files)

# The two services behind their ports, in the same way: some of the status room's files have local names in common.
add_library(fer_ddp_fuzzed_services STATIC EXCLUDE_FROM_ALL)
set_target_properties(fer_ddp_fuzzed_services PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
set(_service address board grpc_log messages metrics metrics_server server service_security socket watchers)
set(_client client unreachable)
foreach(_part service client)
  list(TRANSFORM _${_part} PREPEND ${CMAKE_SOURCE_DIR}/src/status/)
  list(TRANSFORM _${_part} APPEND .cpp)
  target_sources(fer_ddp_fuzzed_services PRIVATE ${_${_part}})
  set_source_files_properties(${_${_part}} PROPERTIES UNITY_GROUP ${_part})
endforeach()
target_link_libraries(fer_ddp_fuzzed_services
  PUBLIC fer_ddp_fuzzed_files
  PRIVATE fer_ddp_status_proto PkgConfig::PROMETHEUS fer_ddp_compile_options)
foreach(_port status_port metrics_port)
  fer_ddp_fuzzer(${_port} LINKS fer_ddp_fuzzed_services)
endforeach()

# What the fuzzers start from: build/fuzz/bin/make_corpus tests/fuzz/corpus, where a format has changed.
add_executable(make_corpus EXCLUDE_FROM_ALL ${TEST_DIR}/make_corpus.cpp
  ${CMAKE_SOURCE_DIR}/data/face_canvas.cpp ${CMAKE_SOURCE_DIR}/data/face_expression.cpp ${CMAKE_SOURCE_DIR}/data/synthetic_faces.cpp
  ${CMAKE_SOURCE_DIR}/tests/unit/certificates.cpp)
target_include_directories(make_corpus PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests/unit)
target_link_libraries(make_corpus PRIVATE fer_ddp_fuzzed_files)
