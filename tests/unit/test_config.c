#include "unit.h"

#include "base/config.h"

#include <stdio.h>
#include <stdlib.h>

struct settings {
    const char *name;
    const char *nothing;
    struct config_list gateways;
    struct config_map labels;
    int64_t workers;
    int64_t execution_ms;
    int64_t memory;
    int64_t millicpu;
    bool verbose;
};

#define AT(field) offsetof(struct settings, field)
static const struct config_key KEYS[] = {
    {"name", CONFIG_TEXT, AT(name), "spillway", 0, 0, "Its name."},
    {"nothing", CONFIG_TEXT, AT(nothing), NULL, 0, 0, "Has no default."},
    {"nginx.gateways", CONFIG_TEXT_LIST, AT(gateways), "", 0, 0, "Who stands behind."},
    {"labels", CONFIG_TEXT_MAP, AT(labels), "", 0, 0, "Labels of every pod."},
    {"workers", CONFIG_INT, AT(workers), "2", 1, 64, "How many."},
    {"limits.execution", CONFIG_DURATION_MS, AT(execution_ms), "10s", 100, 300000, "At most."},
    {"limits.memory", CONFIG_BYTES, AT(memory), "256Mi", 0, 0, "Memory."},
    {"limits.cpu", CONFIG_MILLICPU, AT(millicpu), "500m", 0, 0, "CPU."},
    {"verbose", CONFIG_BOOL, AT(verbose), "false", 0, 0, "Say more."},
};

static struct settings settings;
static struct config *config;
static char file_path[64];

static int tear_down(void **state)
{
    (void)state;
    config_free(&config);
    unsetenv("SPILLWAY_CONFIG");
    unsetenv("SPILLWAY_LIMITS_EXECUTION");
    unsetenv("SPILLWAY_NGINX_GATEWAYS");
    unsetenv("SPILLWAY_PORT");
    if (*file_path)
        unlink(file_path);
    *file_path = '\0';
    return 0;
}

static const char *write_file(const char *text)
{
    if (!*file_path) {
        strcpy(file_path, "/tmp/spillway-config-XXXXXX");
        close(mkstemp(file_path));
    }
    FILE *f = fopen(file_path, "w");
    fputs(text, f);
    fclose(f);
    return file_path;
}

/* Reads with arguments that end with NULL; gives the error's text or NULL. */
static const char *read_with(const char *first, ...)
{
    static struct err err;
    char *argv[16] = {(char *)"program"};
    int argc = 1;
    va_list args;
    va_start(args, first);
    for (const char *a = first; a; a = va_arg(args, const char *))
        argv[argc++] = (char *)a;
    va_end(args);
    config_free(&config);
    memset(&settings, 0xee, sizeof(settings));
    config = config_read("program", KEYS, ARRAY_LEN(KEYS), argc, argv, &settings, &err);
    return config ? NULL : err.msg;
}

static void assert_says(const char *message, const char *part)
{
    if (!message)
        fail_msg("accepted, though '%s' was expected", part);
    else if (!strstr(message, part))
        fail_msg("'%s' does not say '%s'", message, part);
}

static void defaults_hold(void **state)
{
    (void)state;
    assert_null(read_with(NULL));
    assert_string_equal(settings.name, "spillway");
    assert_null(settings.nothing);
    assert_int_equal(settings.gateways.count, 0);
    assert_int_equal(settings.labels.count, 0);
    assert_int_equal(settings.workers, 2);
    assert_int_equal(settings.execution_ms, 10000);
    assert_int_equal(settings.memory, 256 << 20);
    assert_int_equal(settings.millicpu, 500);
    assert_false(settings.verbose);
}

static void every_source_has_its_rank(void **state)
{
    (void)state;
    const char *file = write_file("limits: {execution: 1s, memory: 1Ki}\nworkers: 3\n");
    assert_null(read_with("--config", file, NULL));
    assert_int_equal(settings.execution_ms, 1000);
    assert_int_equal(settings.memory, 1024);
    setenv("SPILLWAY_LIMITS_EXECUTION", "2s", 1);
    setenv("SPILLWAY_CONFIG", file, 1);
    assert_null(read_with(NULL));
    assert_int_equal(settings.execution_ms, 2000);
    assert_int_equal(settings.workers, 3);
    assert_null(read_with("--limits.execution=3s", "--workers", "4", NULL));
    assert_int_equal(settings.execution_ms, 3000);
    assert_int_equal(settings.workers, 4);
    assert_says(read_with("--config=/nonexistent/x.yaml", NULL),
                "/nonexistent/x.yaml: No such file");
}

static void the_file_has_all_types(void **state)
{
    (void)state;
    assert_null(read_with("--config",
                          write_file("name: 1.10\nnginx:\n  gateways: [a:1, b:2]\nverbose: yes\n"
                                     "nothing: ~\nlabels:\n  spillway.dev/site: local\n  b: ''\n"
                                     "limits:\n  cpu: 2\n"),
                          NULL));
    assert_string_equal(settings.name, "1.10");
    assert_null(settings.nothing);
    assert_int_equal(settings.gateways.count, 2);
    assert_string_equal(settings.gateways.items[1], "b:2");
    assert_string_equal(config_map_get(&settings.labels, "spillway.dev/site"), "local");
    assert_string_equal(config_map_get(&settings.labels, "b"), "");
    assert_null(config_map_get(&settings.labels, "c"));
    assert_true(settings.verbose);
    assert_int_equal(settings.millicpu, 2000);
    assert_null(read_with("--config", write_file(""), NULL));
    assert_null(read_with("--config", write_file("limits:\n"), NULL));
}

static void the_file_is_refused_with_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *why;
    } CASES[] = {
        {"name: x\nnmae: y\n", ":2: unknown key 'nmae'"},
        {"limits:\n  cpu: 1\n  exection: 1s\n", ":3: unknown key 'limits.exection'"},
        {"limits.execution: 1s\n", ":1: unknown key 'limits.execution'"},
        {"limits: 5\n", ":1: 'limits' must be a map"},
        {"\nlimits:\n  execution: 10\n", ":3: limits.execution: '10' is not a duration"},
        {"limits:\n  execution: 301s\n",
         ":2: limits.execution: must lie between 100 and 300000 ms"},
        {"workers: [1]\n", ":1: workers: this kind of value"},
        {"name: {a: b}\n", ":1: name: this kind of value"},
        {"nginx:\n  gateways: [[a]]\n", ":2: nginx.gateways: item 1 is not a text"},
        {"labels:\n  a: [b]\n", ":1: labels: the value of 'a' is not a text"},
        {"workers: 1\nworkers: 2\n", ":2: the key 'workers' stands here twice"},
        {"- a\n", "must be a map"},
        {"a: [\n", ":2:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_says(read_with("--config", write_file(CASES[i].yaml), NULL), CASES[i].why);
}

static void arguments_are_refused_by_name(void **state)
{
    (void)state;
    assert_says(read_with("--nmae", "x", NULL), "unknown flag --nmae (see --help)");
    assert_says(read_with("--nmae=x", NULL), "unknown flag --nmae (see --help)");
    assert_says(read_with("--nam", "x", NULL), "unknown flag --nam ");
    assert_says(read_with("serve", NULL), "unexpected argument 'serve'");
    assert_says(read_with("-v", NULL), "unexpected argument '-v'");
    assert_says(read_with("--", NULL), "unknown flag --");
    assert_says(read_with("--name", NULL), "--name needs a value");
    assert_says(read_with("--config", NULL), "--config needs a value");
    assert_says(read_with("--workers", "0", NULL), "--workers: must lie between 1 and 64, not 0");
    assert_says(read_with("--workers=x", NULL), "--workers: 'x' is not a whole number");
    assert_says(read_with("--verbose=maybe", NULL), "--verbose: 'maybe' is not true or false");
    assert_null(read_with("--verbose", NULL));
    assert_true(settings.verbose);
    assert_null(read_with("--verbose", "--workers", "5", NULL));
    assert_true(settings.verbose);
    assert_null(read_with("--verbose", "off", NULL));
    assert_false(settings.verbose);
    assert_null(read_with("--name=a=b", "--name", "", NULL)); /* the last one counts */
    assert_string_equal(settings.name, "");
}

static void the_environment_is_read_by_name_only(void **state)
{
    (void)state;
    setenv("SPILLWAY_PORT", "not a key", 1);
    setenv("SPILLWAY_NGINX_GATEWAYS", "a:1, b:2", 1);
    assert_null(read_with(NULL));
    assert_int_equal(settings.gateways.count, 2);
    assert_string_equal(settings.gateways.items[1], "b:2");
    setenv("SPILLWAY_LIMITS_EXECUTION", "", 1);
    assert_says(read_with(NULL), "SPILLWAY_LIMITS_EXECUTION: '' is not a duration");
}

static void lists_and_maps_in_one_text(void **state)
{
    (void)state;
    assert_null(read_with("--nginx.gateways=a", "--labels", "a=b, c = d=e", NULL));
    assert_int_equal(settings.gateways.count, 1);
    assert_string_equal(config_map_get(&settings.labels, "a"), "b");
    assert_string_equal(config_map_get(&settings.labels, "c"), "d=e");
    assert_says(read_with("--nginx.gateways=a,,b", NULL), "empty item");
    assert_says(read_with("--nginx.gateways=a,", NULL), "empty item");
    assert_says(read_with("--labels=a", NULL), "not name=value");
    assert_says(read_with("--labels", "a=1,a=2", NULL), "names 'a' twice");
    assert_says(read_with("--labels", "=1", NULL), "without a name");
    char many[4000];
    memset(many, ',', sizeof(many));
    many[sizeof(many) - 1] = '\0';
    assert_says(read_with("--nginx.gateways", many, NULL), "limit of 1024 items");
    assert_says(read_with("--labels", many, NULL), "limit of 1024 items");
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } GOOD[] = {{"0", 0},       {"0s", 0},       {"500ms", 500},   {"10s", 10000},
                {"2m", 120000}, {"1h", 3600000}, {"1d", 86400000}, {"007s", 7000}},
      BAD[] = {{"", 0},
               {"10", 0},
               {"-1s", 0},
               {"+1s", 0},
               {" 1s", 0},
               {"1s ", 0},
               {"1.5s", 0},
               {"s", 0},
               {"1h30m", 0},
               {"1S", 0},
               {"0x1s", 0},
               {"1e3s", 0},
               {"99999999999999999999s", 0},
               {"9223372036854775807s", 0},
               {"106751991168d", 0}};
    int64_t ms = 77;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        assert_int_equal(config_parse_duration_ms(GOOD[i].text, &ms, NULL), 0);
        assert_int_equal(ms, GOOD[i].ms);
    }
    ms = 77;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct err err = {0};
        if (config_parse_duration_ms(BAD[i].text, &ms, &err) == 0)
            fail_msg("accepted: %s", BAD[i].text);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_int_equal(ms, 77);
    }
}

static void sizes_and_cpus(void **state)
{
    (void)state;
    int64_t v;
    assert_int_equal(config_parse_bytes("64Mi", &v, NULL), 0);
    assert_int_equal(v, 64 << 20);
    assert_int_equal(config_parse_bytes("1Ki", &v, NULL), 0);
    assert_int_equal(v, 1024);
    assert_int_equal(config_parse_bytes("10", &v, NULL), 0);
    assert_int_equal(v, 10);
    assert_int_equal(config_parse_bytes("2G", &v, NULL), 0);
    assert_int_equal(v, 2000000000);
    static const char *const BAD[] = {
        "", "-1", "1 Mi", "1mi", "1.5Gi", "Mi", "9223372036854775808", "9000000Ti", "1KiB"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_not_equal(config_parse_bytes(BAD[i], &v, NULL), 0);
    static const struct {
        const char *text;
        int64_t millicpu;
    } CPUS[] = {{"500m", 500}, {"2", 2000}, {"0.5", 500}, {"0.25", 250}, {"1.005", 1005}, {"0", 0}};
    for (size_t i = 0; i < ARRAY_LEN(CPUS); i++) {
        assert_null(read_with("--limits.cpu", CPUS[i].text, NULL));
        assert_int_equal(settings.millicpu, CPUS[i].millicpu);
    }
    static const char *const BAD_CPUS[] = {
        "", "-1", "0.0001", "1.", ".5", "1.5m", "9223372036854775807"};
    for (size_t i = 0; i < ARRAY_LEN(BAD_CPUS); i++)
        assert_says(read_with("--limits.cpu", BAD_CPUS[i], NULL), "amount of CPU");
}

/* What a child prints, and how it exits, for the flags that end the program. */
static int run_child(const char *flag, const char *more, char *out, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        read_with(flag, more, NULL);
        _exit(99);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while ((got = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void flags_that_end_the_program(void **state)
{
    (void)state;
    char out[8192];
    assert_int_equal(run_child("--help", NULL, out, sizeof(out)), 0);
    assert_says(out, "--limits.execution DURATION\n      At most.\n      "
                     "SPILLWAY_LIMITS_EXECUTION, default 10s, from 100ms to 300s\n");
    assert_int_equal(run_child("--version", NULL, out, sizeof(out)), 0);
    assert_says(out, "program 0.");
    assert_int_equal(run_child("--check-config", NULL, out, sizeof(out)), 0);
    assert_says(out, "is fine");
    assert_int_equal(run_child("--check-config", "--workers=65", out, sizeof(out)), 1);
    assert_says(out, "program: --workers: must lie between 1 and 64");
}

static void markdown_has_a_row_for_each_key(void **state)
{
    (void)state;
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    config_print_markdown("program", KEYS, ARRAY_LEN(KEYS), out);
    fclose(out);
    assert_says(text,
                "| `limits.memory` | `SPILLWAY_LIMITS_MEMORY` | size | `256Mi` |  | Memory. |");
    assert_says(text, "| `workers` | `SPILLWAY_WORKERS` | number | `2` | 1 to 64 | How many. |");
}

static void a_table_with_two_keys_of_one_variable_aborts(void **state)
{
    (void)state;
    static const struct config_key TWICE[] = {
        {"a.b", CONFIG_TEXT, AT(name), NULL, 0, 0, ""},
        {"a_b", CONFIG_TEXT, AT(nothing), NULL, 0, 0, ""},
    };
    static const struct config_key TAKEN[] = {{"config", CONFIG_TEXT, AT(name), NULL, 0, 0, ""}};
    char *argv[] = {(char *)"program", NULL};
    assert_aborts(config = config_read("p", TWICE, 2, 1, argv, &settings, NULL));
    assert_aborts(config = config_read("p", TAKEN, 1, 1, argv, &settings, NULL));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_teardown(fn, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults_hold),
        TEST(every_source_has_its_rank),
        TEST(the_file_has_all_types),
        TEST(the_file_is_refused_with_the_line),
        TEST(arguments_are_refused_by_name),
        TEST(the_environment_is_read_by_name_only),
        TEST(lists_and_maps_in_one_text),
        TEST(durations),
        TEST(sizes_and_cpus),
        TEST(flags_that_end_the_program),
        TEST(markdown_has_a_row_for_each_key),
        TEST(a_table_with_two_keys_of_one_variable_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
