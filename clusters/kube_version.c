#include "clusters/kube_object.h"
#include <string.h>

static bool is_plain_number(const char *text)
{
    return text[0] != '\0' && text[0] != '0' && text[strspn(text, "0123456789")] == '\0';
}

bool kube_version_older(const char *a, const char *b)
{
    if (!is_plain_number(a) || !is_plain_number(b))
        return false;
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    return a_len != b_len ? a_len < b_len : strcmp(a, b) < 0;
}
