#include "gateway/site_key.h"

#include "base/buf.h"
#include "base/hex.h"
#include "gateway/small_file.h"

#define HEX_DIGITS_MIN 32

static int add_key(struct site_key *k, struct slice hex, const char *name, int line,
                   struct err *err)
{
    if (k->count == SITE_KEYS_MAX)
        return err_set(err, ERR_CONFIG, "%s:%d: more than %d keys", name, line, SITE_KEYS_MAX);
    if (hex.len < HEX_DIGITS_MIN || hex.len > 2 * SITE_KEY_MAX || hex.len % 2 != 0)
        return err_set(err, ERR_CONFIG, "%s:%d: a key is %d to %d hex digits", name, line,
                       HEX_DIGITS_MIN, 2 * SITE_KEY_MAX);
    for (size_t i = 0; i < hex.len; i += 2) {
        int byte = hex_byte(hex.at + i);
        if (byte < 0)
            return err_set(err, ERR_CONFIG, "%s:%d: not hex digits", name, line);
        k->bytes[k->count][i / 2] = (uint8_t)byte;
    }
    k->lens[k->count++] = hex.len / 2;
    return 0;
}

int site_key_parse(struct site_key *k, struct slice text, const char *name, struct err *err)
{
    struct slice line;
    int number = 0, rc = 0;
    *k = (struct site_key){0};
    while (rc == 0 && small_file_line(&text, &line, &number))
        rc = add_key(k, line, name, number, err);
    if (rc == 0 && k->count == 0)
        rc = err_set(err, ERR_CONFIG, "%s: holds no key", name);
    return rc;
}

int site_key_read(struct site_key *k, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, 4096);
    int rc = small_file_read(path, &text, err);
    if (rc == 0)
        rc = site_key_parse(k, buf_slice(&text), path, err);
    buf_fini(&text);
    return rc < 0 ? err_wrap(err, "site_key_file") : 0;
}

struct slice site_key_at(const struct site_key *k, int index)
{
    return (struct slice){(const char *)k->bytes[index], k->lens[index]};
}

void site_key_token(const struct site_key *k, int index, const char *session_id, const char *epoch,
                    const char *nonce, char out[DIGEST_HEX])
{
    uint8_t mac[DIGEST_BYTES];
    struct buf in;
    buf_init(&in, 1024);
    buf_addf(&in, "%s.%s.%s", session_id, epoch, nonce);
    digest_hmac_sha256(site_key_at(k, index), buf_slice(&in), mac);
    buf_fini(&in);
    digest_hex(mac, DIGEST_BYTES, out);
}
