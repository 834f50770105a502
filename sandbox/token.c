#include "sandbox/token.h"

bool token_init(struct token *t, const char *sha256_hex)
{
    *t = (struct token){{0}};
    if (strlen(sha256_hex) != DIGEST_HEX - 1 ||
        strspn(sha256_hex, "0123456789abcdef") != DIGEST_HEX - 1)
        return false;
    memcpy(t->sha256_hex, sha256_hex, DIGEST_HEX);
    return true;
}

bool token_accepts(const struct token *t, struct slice authorization)
{
    static const char scheme[] = "Bearer ";
    size_t skip = sizeof(scheme) - 1;
    if (t->sha256_hex[0] == '\0' || authorization.len <= skip ||
        strncasecmp(authorization.at, scheme, skip) != 0)
        return false;
    char given[DIGEST_HEX];
    digest_sha256_hex((struct slice){authorization.at + skip, authorization.len - skip}, given);
    return digest_equal(given, t->sha256_hex, DIGEST_HEX - 1);
}
