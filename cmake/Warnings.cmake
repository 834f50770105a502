add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                    -Wundef -Wvla -Wformat=2 -Werror -fno-common)
add_compile_definitions(_GNU_SOURCE SPILLWAY_VERSION="${PROJECT_VERSION}")

if(CMAKE_C_COMPILER_ID MATCHES Clang)
  add_compile_options(-Wno-gnu-zero-variadic-macro-arguments)
endif()

# What the fuzzer watches: which code an input reaches.
if(SPILLWAY_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "SPILLWAY_FUZZ needs clang (the preset fuzz)")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(SPILLWAY_SANITIZE_THREADS)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(SPILLWAY_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
else()
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -fno-plt
                      -ffunction-sections -fdata-sections)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_definitions(_FORTIFY_SOURCE=2)
  endif()
endif()
