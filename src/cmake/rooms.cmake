# A room is one library in one folder. Its headers are reachable only through a folder of links that carries the room's name,
# so that `#include "core/error.h"` compiles in a target that links fer_ddp_core and in no other: the arrows of the design
# (core <- comm <- data, model, optim <- train <- launcher) are held by the compiler.

# fer_ddp_room(NAME [WAITS, where none of it computes: compiler.cmake]
#              [FOLDER name in includes, NAME if not given] SOURCES ... GROUPED sources that are compiled several at once ...
#              LINKS rooms and libraries ... PRIVATE_LINKS libraries that its headers do not show ...)
function(fer_ddp_room name)
  cmake_parse_arguments(ROOM "WAITS" "FOLDER" "SOURCES;GROUPED;LINKS;PRIVATE_LINKS" ${ARGN})
  if(NOT ROOM_FOLDER)
    set(ROOM_FOLDER ${name})
  endif()
  set(_headers ${CMAKE_BINARY_DIR}/rooms/${name})
  file(MAKE_DIRECTORY ${_headers})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${_headers}/${ROOM_FOLDER} SYMBOLIC)
  fer_ddp_group(_groups ${name} ${ROOM_GROUPED})
  add_library(fer_ddp_${name} STATIC ${ROOM_SOURCES} ${_groups})
  target_include_directories(fer_ddp_${name} PUBLIC ${_headers})
  target_link_libraries(fer_ddp_${name} PUBLIC ${ROOM_LINKS} PRIVATE ${ROOM_PRIVATE_LINKS} fer_ddp_compile_options $<$<BOOL:${ROOM_WAITS}>:fer_ddp_waits>)
endfunction()

# fer_ddp_group(OUT NAME SOURCE ...): sets OUT to files that include six of the sources each. Most of the compiler's time goes to headers,
# LibTorch's and CLI11's above all, which it then reads once for six. Unnamed namespaces of such sources may not have the same names: where
# they have, SOURCES is the place of one of them. That each includes what it needs is seen by tests/lint, which looks at every source alone.
# Includes are relative, so that ccache finds what another clone has compiled.
function(fer_ddp_group out name)
  set(_files)
  list(LENGTH ARGN _count)
  foreach(_first RANGE 0 ${_count} 6)
    if(_first EQUAL _count)
      break()
    endif()
    list(SUBLIST ARGN ${_first} 6 _members)
    list(LENGTH _files _number)
    set(_file ${CMAKE_CURRENT_BINARY_DIR}/${name}_group_${_number}.cpp)
    set(_content)
    foreach(_member ${_members})
      cmake_path(ABSOLUTE_PATH _member BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
      file(RELATIVE_PATH _path ${CMAKE_CURRENT_BINARY_DIR} ${_member})
      string(APPEND _content "#include \"${_path}\"\n")
    endforeach()
    file(CONFIGURE OUTPUT ${_file} CONTENT "${_content}" @ONLY)
    list(APPEND _files ${_file})
  endforeach()
  set(${out} ${_files} PARENT_SCOPE)
endfunction()
