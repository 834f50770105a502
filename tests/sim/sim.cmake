# The simulator: production code above the seam that docs/testing.md describes. What is below it (the loop, libcurl, the pool of connections,
# the HTTP server's connections, hiredis) is left out of the link: the objects here define those symbols first.
find_path(LUA_INCLUDE lua.h PATH_SUFFIXES lua5.1)
find_library(LUA_LIBRARY NAMES lua5.1)
if(NOT LUA_INCLUDE OR NOT LUA_LIBRARY)
  message(STATUS "Lua 5.1 is missing: no simulator")
  return()
endif()

file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c)
add_library(spillway_sim OBJECT ${sim_sources})
target_include_directories(spillway_sim PRIVATE ${CMAKE_CURRENT_LIST_DIR} ${LUA_INCLUDE})

function(spillway_sim_program name)
  add_executable(${name} $<TARGET_OBJECTS:spillway_sim> ${ARGN})
  target_link_libraries(${name} PRIVATE spillway_gateway spillway_sandbox ${LUA_LIBRARY} m)
  target_link_options(${name} PRIVATE -Wl,--wrap=decision_make)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/sim)
endfunction()

spillway_sim_program(sim)
