#include "sandbox/workspace_name.h"

#include "base/hex.h"
#include <stdio.h>

static int refuse(struct err *err, const char *why)
{
    return err_set(err, ERR_INVALID_ARGUMENT, "the file's name %s", why);
}

static int check_component(struct slice c, struct err *err)
{
    if (c.len == 0)
        return refuse(err, "begins or ends with '/', or holds an empty part");
    if (slice_eq(c, ".") || slice_eq(c, ".."))
        return refuse(err, "holds '.' or '..' as a part");
    if (c.len > WORKSPACE_COMPONENT)
        return refuse(err, "has a part of more than 255 bytes");
    return 0;
}

int workspace_name_check(struct slice name, struct err *err)
{
    int depth = 0;
    if (name.len == 0)
        return refuse(err, "is empty");
    if (name.len >= WORKSPACE_NAME_SIZE)
        return refuse(err, "is longer than 1024 bytes");
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.at[i] < 0x20 || name.at[i] == 0x7f)
            return refuse(err, "holds a control character");
    for (;;) {
        const char *slash = name.len ? memchr(name.at, '/', name.len) : NULL;
        struct slice component = {name.at, slash ? (size_t)(slash - name.at) : name.len};
        int rc = check_component(component, err);
        if (rc < 0)
            return rc;
        if (++depth > WORKSPACE_DEPTH)
            return refuse(err, "is more than 32 folders deep");
        if (!slash)
            return 0;
        name.len -= component.len + 1;
        name.at = slash + 1;
    }
}

int workspace_name_decode(struct slice raw, char out[WORKSPACE_NAME_SIZE], struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int c = (unsigned char)raw.at[i];
        if (c == '%') {
            c = i + 2 < raw.len ? hex_byte(raw.at + i + 1) : -1;
            if (c < 0)
                return refuse(err, "has a '%' that begins no two hex digits");
            i += 2;
        }
        if (n + 1 >= WORKSPACE_NAME_SIZE)
            return refuse(err, "is longer than 1024 bytes");
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return workspace_name_check((struct slice){out, n}, err);
}

int workspace_name_join(const char *folder, const char *name, char out[WORKSPACE_NAME_SIZE],
                        struct err *err)
{
    int len = snprintf(out, WORKSPACE_NAME_SIZE, "%s%s%s", folder, *folder ? "/" : "", name);
    if (len < 0 || (size_t)len >= WORKSPACE_NAME_SIZE)
        return refuse(err, "is longer than 1024 bytes");
    return workspace_name_check((struct slice){out, (size_t)len}, err);
}

const char *workspace_name_leaf(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}
