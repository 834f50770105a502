spillway_unit_test(base64 spillway_base)
spillway_unit_test(buf spillway_base)
spillway_unit_test(config spillway_base)
spillway_unit_test(digest spillway_base)
spillway_unit_test(err spillway_base)
spillway_unit_test(fsm spillway_base)
spillway_unit_test(json spillway_base)
spillway_unit_test(log spillway_base)
spillway_unit_test(loop spillway_loop)
spillway_unit_test(mem spillway_base)
spillway_unit_test(metrics spillway_base)
spillway_unit_test(slice spillway_base)
spillway_unit_test(world spillway_base)
spillway_unit_test(yaml spillway_base)

find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME unit.programs_config
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_programs_config.py
          $<TARGET_FILE:spillway-gateway> $<TARGET_FILE:spillway-node>)
add_test(NAME unit.deploy
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_deploy.py
          $<TARGET_FILE:spillway-gateway> $<TARGET_FILE:spillway-node>)
set_tests_properties(unit.programs_config unit.deploy PROPERTIES LABELS unit TIMEOUT 120)
add_test(NAME unit.tools_check
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_tools_check.py)
set_tests_properties(unit.tools_check PROPERTIES LABELS unit TIMEOUT 120)
add_test(NAME unit.rundir COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_rundir.py)
add_test(NAME unit.run_suites COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_run_suites.py)
set_tests_properties(unit.rundir unit.run_suites PROPERTIES LABELS unit TIMEOUT 120)

# The pages of docs/ that are written from tables say what the tables say.
add_test(NAME unit.gen_docs
  COMMAND ${CMAKE_SOURCE_DIR}/tools/gen_docs --check $<TARGET_FILE:spillway-reference>)
set_tests_properties(unit.gen_docs PROPERTIES LABELS unit TIMEOUT 60)
