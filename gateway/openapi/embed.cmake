# Makes TO, a C file with the bytes of FROM as an array: cmake -DFROM=… -DTO=… -DNAME=… -P embed.cmake
file(READ ${FROM} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "(..)" "0x\\1," array "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" array "${array}")
file(WRITE ${TO} "#include \"gateway/api_document.h\"\n\nconst unsigned char ${NAME}[] = {\n${array}};\nconst size_t ${NAME}_LEN = ${bytes};\n")
