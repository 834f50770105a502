# The Kubernetes client as a program that the suite kubernetes-api talks to.
add_executable(kube_driver ${CMAKE_CURRENT_LIST_DIR}/kube_driver.c)
target_link_libraries(kube_driver PRIVATE spillway_clusters spillway_http spillway_http_call)
set_target_properties(kube_driver PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
