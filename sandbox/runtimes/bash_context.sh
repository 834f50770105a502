#!/bin/bash
# A shell that stays: reads what to run on descriptor 4 (a number of texts, then the texts, each ended by a NUL: folder, number
# of arguments, the code's file, its name, arguments, environment), sources it, and says D and its status there.
printf 'R\n' >&4
while IFS= read -r -d '' -u 4 __spillway_n; do
    __spillway_texts=()
    while ((__spillway_n-- > 0)); do
        IFS= read -r -d '' -u 4 __spillway_text || exit 0
        __spillway_texts+=("$__spillway_text")
    done
    __spillway_n=${__spillway_texts[1]}
    __spillway_stdin=/dev/null
    for __spillway_text in "${__spillway_texts[@]:2+__spillway_n}"; do
        case $__spillway_text in
        SPILLWAY_STDIN=*) __spillway_stdin=${__spillway_text#*=} ;;
        SPILLWAY_*) ;;
        *) export "$__spillway_text" ;;
        esac
    done
    if [[ -z ${__spillway_texts[0]} ]] || cd -- "${__spillway_texts[0]}"; then
        source "${__spillway_texts[2]}" "${__spillway_texts[@]:4:__spillway_n-2}" <"$__spillway_stdin" 4>&-
    else
        (exit 1)
    fi
    printf 'D%d\n' $? >&4
done
