#include "base/cc.h"

#include <stdio.h>
#include <stdlib.h>

void cc_invariant_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "level=error event=invariant_failed what=\"%s\" at=%s:%d\n", what, file, line);
    abort();
}
