# A room is one library in one folder. Its headers are reachable only through a folder of links that carries the room's name,
# so that `#include "core/error.h"` compiles in a target that links fer_ddp_core and in no other: the arrows of the design
# (core <- comm <- data, model, optim <- train <- launcher) are held by the compiler.

# fer_ddp_room(NAME [WAITS, where none of it computes: compiler.cmake]
#              [FOLDER name in includes, NAME if not given] SOURCES ... LINKS rooms and libraries ...
#              PRIVATE_LINKS libraries that its headers do not show ...)
function(fer_ddp_room name)
  cmake_parse_arguments(ROOM "WAITS" "FOLDER" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  if(NOT ROOM_FOLDER)
    set(ROOM_FOLDER ${name})
  endif()
  set(_headers ${CMAKE_BINARY_DIR}/rooms/${name})
  file(MAKE_DIRECTORY ${_headers})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${_headers}/${ROOM_FOLDER} SYMBOLIC)
  add_library(fer_ddp_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(fer_ddp_${name} PUBLIC ${_headers})
  target_link_libraries(fer_ddp_${name} PUBLIC ${ROOM_LINKS} PRIVATE ${ROOM_PRIVATE_LINKS} fer_ddp_compile_options $<$<BOOL:${ROOM_WAITS}>:fer_ddp_waits>)
endfunction()
