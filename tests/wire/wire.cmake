# The server that tests/wire/run talks to.
add_executable(wire_server ${CMAKE_CURRENT_LIST_DIR}/wire_server.c)
target_link_libraries(wire_server PRIVATE spillway_http spillway_http_call)
set_target_properties(wire_server PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
