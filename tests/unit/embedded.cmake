foreach(stem names selector scheduler object_store oci_spec pod_check pod_status cgroup runtime_cpu api_table node_events)
  spillway_unit_test(${stem} spillway_node_parts)
endforeach()
spillway_unit_test(exit_watch spillway_node)
