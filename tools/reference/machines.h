/* machines.h - every state machine of the programs, drawn from the tables that they run on. */
#pragma once
#include <stdio.h>

void machines_print_markdown(FILE *out);
