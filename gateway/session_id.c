#include "gateway/session_id.h"

#include "base/buf.h"
#include "base/digest.h"

#define ID_HEX_BYTES 16

static const struct slice RESERVED[] = {
#define X(word) {word, sizeof(word) - 1},
#include "gateway/reserved_words.def"
#undef X
};

static bool is_low_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool session_id_is_label(struct slice text)
{
    if (text.len == 0 || text.len >= SESSION_ID_SIZE)
        return false;
    if (!is_low_alnum(text.at[0]) || !is_low_alnum(text.at[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_low_alnum(text.at[i]) && text.at[i] != '-')
            return false;
    }
    return true;
}

bool session_id_is_name(struct slice text)
{
    if (text.len == 0 || text.len >= EXECUTION_ID_SIZE)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (!is_low_alnum(c) && !(c >= 'A' && c <= 'Z') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

bool session_id_is_language(struct slice text)
{
    if (text.len == 0 || text.len > 32)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_low_alnum(text.at[i]) && (i == 0 || text.at[i] != '+'))
            return false;
    }
    return true;
}

bool session_id_is_reserved(struct slice text)
{
    for (size_t i = 0; i < ARRAY_LEN(RESERVED); i++) {
        if (text.len == RESERVED[i].len && memcmp(text.at, RESERVED[i].at, text.len) == 0)
            return true;
    }
    return false;
}

int session_id_check(struct slice text, char out[SESSION_ID_SIZE], struct err *err)
{
    if (!session_id_is_label(text))
        return err_set(
            err, ERR_INVALID_ID,
            "a session id is 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter "
            "or digit");
    if (session_id_is_reserved(text))
        return err_set(err, ERR_RESERVED_ID, "'%.*s' is a reserved word", SLICE_ARG(text));
    memcpy(out, text.at, text.len);
    out[text.len] = '\0';
    return 0;
}

int session_id_check_name(struct slice text, const char *what, char out[EXECUTION_ID_SIZE],
                          struct err *err)
{
    if (!session_id_is_name(text))
        return err_set(err, ERR_INVALID_ID, "%s is 1 to 64 of A-Z a-z 0-9 . _ -", what);
    memcpy(out, text.at, text.len);
    out[text.len] = '\0';
    return 0;
}

void session_id_from_key(struct slice site_key, const char *tenant, struct slice idempotency_key,
                         char out[SESSION_ID_SIZE])
{
    uint8_t mac[DIGEST_BYTES];
    struct buf in;
    buf_init(&in, 1024);
    buf_add(&in, tenant, strlen(tenant) + 1);
    buf_add(&in, idempotency_key.at, idempotency_key.len);
    digest_hmac_sha256(site_key, buf_slice(&in), mac);
    buf_fini(&in);
    out[0] = 's';
    digest_hex(mac, ID_HEX_BYTES, out + 1);
}
