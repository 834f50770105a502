# The simulator: production code above the seam that docs/testing.md describes. What is below it (the loop, libcurl, the pool of connections,
# the HTTP server's connections, hiredis) is left out of the link: the objects here define those symbols first. tests/sim/run builds it.
find_path(LUA_INCLUDE lua.h PATH_SUFFIXES lua5.1)
find_library(LUA_LIBRARY NAMES lua5.1)
if(NOT LUA_INCLUDE OR NOT LUA_LIBRARY)
  message(STATUS "Lua 5.1 is missing: no simulator")
  return()
endif()

file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c)
add_library(spillway_sim OBJECT EXCLUDE_FROM_ALL ${sim_sources})
target_include_directories(spillway_sim PRIVATE ${CMAKE_CURRENT_LIST_DIR} ${LUA_INCLUDE})

function(spillway_sim_program name)
  add_executable(${name} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:spillway_sim> ${ARGN})
  target_link_libraries(${name} PRIVATE spillway_gateway spillway_sandbox ${LUA_LIBRARY} m)
  target_link_options(${name} PRIVATE -Wl,--wrap=decision_make,--wrap=json_parse_object)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/sim)
endfunction()

spillway_sim_program(sim)

# Its self-test: the same with one bug planted in production's code, each of which it must find.
add_custom_target(sim_bugs)
file(GLOB sim_bugs CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/bugs/*.bug)
foreach(bug ${sim_bugs})
  get_filename_component(name ${bug} NAME_WE)
  file(STRINGS ${bug} file REGEX "^file: ")
  string(REPLACE "file: " "" file "${file}")
  set(mutant ${CMAKE_CURRENT_BINARY_DIR}/sim_${name}.c)
  add_custom_command(OUTPUT ${mutant}
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/mutate.py ${bug} ${CMAKE_SOURCE_DIR} ${mutant}
    DEPENDS ${bug} ${CMAKE_SOURCE_DIR}/${file} ${CMAKE_CURRENT_LIST_DIR}/mutate.py
    VERBATIM)
  set_source_files_properties(${mutant} PROPERTIES COMPILE_OPTIONS "-w")
  spillway_sim_program(sim_bug_${name} ${mutant})
  add_dependencies(sim_bugs sim_bug_${name})
endforeach()
