#include "unit.h"

#include "clusters/kubeconfig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/spillway-kubeconfig-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int read_text(const char *cluster, const char *user, struct kubeconfig *out, struct err *err)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/config", folder);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fprintf(f,
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context:\n"
            "    cluster: k\n    user: u\n    namespace: boxes\nclusters:\n- name: k\n  cluster:\n"
            "    server: https://10.0.0.1:6443\n%susers:\n- name: u\n  user:\n    x: y\n%s",
            cluster, user);
    fclose(f);
    int rc = kubeconfig_read(path, out, err);
    unlink(path);
    return rc;
}

static void inline_data(void **state)
{
    struct kubeconfig c;
    struct err err = {0};
    char text[32] = "";

    (void)state;
    assert_int_equal(
        read_text("    certificate-authority-data: aGVsbG8=\n", "    token: abc\n", &c, &err), 0);
    assert_string_equal(c.server, "https://10.0.0.1:6443");
    assert_string_equal(c.token, "abc");
    assert_string_equal(c.namespace_name, "boxes");
    assert_null(c.cert_file);
    FILE *f = fopen(c.ca_file, "r");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, sizeof(text), f), 5);
    fclose(f);
    assert_string_equal(text, "hello");
    kubeconfig_fini(&c);
}

static void files_beside_it(void **state)
{
    struct kubeconfig c;
    struct err err = {0};
    char path[160];

    (void)state;
    snprintf(path, sizeof(path), "%s/token", folder);
    assert_int_equal(read_text("", "    tokenFile: token\n", &c, &err), 0);
    assert_string_equal(c.token_file, path);
    kubeconfig_fini(&c);
    assert_int_equal(read_text("    certificate-authority: nothing.pem\n", "", &c, &err),
                     -ERR_CONFIG);
    assert_non_null(strstr(err.msg, "nothing.pem"));
}

static void refuses_by_name(void **state)
{
    static const char *const CLUSTER[] = {"proxy-url: ftp://p", "insecure-skip-tls-verify: true",
                                          "tls-server-name: x", "certificate-authority-data: '*'"};
    static const char *const USER[] = {
        "exec: {command: x}", "exec: {apiVersion: client.authentication.k8s.io/v1}",
        "auth-provider: {name: gcp}", "username: u", "client-certificate-data: aGVsbG8="};
    struct kubeconfig c;
    char line[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CLUSTER); i++) {
        struct err err = {0};
        snprintf(line, sizeof(line), "    %s\n", CLUSTER[i]);
        assert_int_equal(read_text(line, "", &c, &err), -ERR_CONFIG);
        assert_non_null(memmem(err.msg, strlen(err.msg), CLUSTER[i], strcspn(CLUSTER[i], ":")));
    }
    for (size_t i = 0; i < ARRAY_LEN(USER); i++) {
        struct err err = {0};
        snprintf(line, sizeof(line), "    %s\n", USER[i]);
        assert_int_equal(read_text("", line, &c, &err), -ERR_CONFIG);
        assert_non_null(memmem(err.msg, strlen(err.msg), USER[i], strcspn(USER[i], "-:")));
    }
    struct err err = {0};
    assert_int_equal(kubeconfig_read("/nonexistent/kubeconfig", &c, &err) < 0, 1);
    assert_int_equal(read_text("    insecure-skip-tls-verify: false\n", "", &c, &err), 0);
    kubeconfig_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inline_data),
        cmocka_unit_test(files_beside_it),
        cmocka_unit_test(refuses_by_name),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
