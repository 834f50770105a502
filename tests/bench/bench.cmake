# Programs that measure; run by hand, never by the tests.
add_executable(bench_watermark EXCLUDE_FROM_ALL bench/bench_watermark.c)
target_link_libraries(bench_watermark PRIVATE spillway_router spillway_watermark spillway_base)
set_target_properties(bench_watermark PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
add_executable(openloop EXCLUDE_FROM_ALL bench/openloop.c)
target_link_libraries(openloop PRIVATE spillway_http)
set_target_properties(openloop PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
