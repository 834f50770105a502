#include "gateway/gateway_config.h"
#include "clusters/kubeconfig.h"
#include "gateway/session_id.h"
#include "sandbox/result_record.h"

#include <stdio.h>
#include <string.h>

#define MINUTE      (60 * 1000)
#define HOUR        (60 * MINUTE)
#define KI          1024
#define MI          (1024 * KI)
#define GI          ((int64_t)1024 * MI)
#define AT(field)   offsetof(struct gateway_config, field)
#define LIMIT(name) offsetof(struct gateway_config, limits.name)
#define WATER(name) offsetof(struct gateway_config, watermark.name)

const struct config_key GATEWAY_CONFIG_KEYS[] = {
    {"name", CONFIG_TEXT, AT(name), "", 0, 0,
     "name of this gateway among those of its site; empty: from the host name and process id"},
    {"site", CONFIG_TEXT, AT(site), "local", 0, 0, "name of this site"},
    {"listen", CONFIG_TEXT_LIST, AT(listen), "127.0.0.1:8080", 0, 0,
     "where clients (nginx) connect: host:port, unix:/path or fd:N; a handed-over socket named "
     "'api' "
     "is listened on too"},
    {"admin.listen", CONFIG_TEXT_LIST, AT(admin_listen), "127.0.0.1:0", 0, 0,
     "where /metrics and /debug are served; a handed-over socket named 'admin' is listened on too"},
    {"auth.mode", CONFIG_TEXT, AT(auth_mode), "", 0, 0,
     "keys | none; empty: keys where there is a keys file, else none, and then on loopback only"},
    {"auth.keys_file", CONFIG_TEXT, AT(auth_keys_file), "", 0, 0,
     "API keys, one a line: tenant and SHA-256 of the key in hex"},
    {"site_key_file", CONFIG_TEXT, AT(site_key_file), "", 0, 0,
     "one or two lines of hex (at least 32 digits): the first signs, the second is accepted too"},
    {"kubernetes.url", CONFIG_TEXT, AT(kube_url), "", 0, 0,
     "plain URL of the API server (the embedded node); wins over the kubeconfig"},
    {"kubernetes.kubeconfig", CONFIG_TEXT, AT(kube_config), "", 0, 0,
     "path of a kubeconfig; without it $KUBECONFIG, else the service account of our pod"},
    {"kubernetes.namespace", CONFIG_TEXT, AT(kube_namespace), "sandboxes", 0, 0,
     "namespace of the sandbox pods"},
    {"kubernetes.call_timeout", CONFIG_DURATION_MS, AT(kube_call_ms), "10s", 100, MINUTE,
     "total deadline of one call to the API server"},
    {"redis.url", CONFIG_TEXT, AT(redis_url), "redis://127.0.0.1:6379", 0, 0,
     "results, tombstones, records of sessions elsewhere: redis://[USER@]host[:port][/db], "
     "unix:///path, or redis+sentinel://[USER@]host[:port][,host[:port]…]/MASTER[/db]"},
    {"redis.password_file", CONFIG_TEXT, AT(redis_password_file), "", 0, 0,
     "file that holds the password"},
    {"redis.sentinel_password_file", CONFIG_TEXT, AT(redis_sentinel_password_file), "", 0, 0,
     "file that holds the Sentinels' password, where they have one"},
    {"redis.timeout", CONFIG_DURATION_MS, AT(redis_timeout_ms), "200ms", 10, 10000,
     "deadline of one command"},
    {"environments_file", CONFIG_TEXT, AT(environments_file), "", 0, 0,
     "YAML: environments by name with image, languages, resources, pids"},
    {"default_environment", CONFIG_TEXT, AT(default_environment), "python", 0, 0,
     "environment of a session that names none"},
    {"agent.image", CONFIG_TEXT, AT(agent_image), "spillway/agent", 0, 0,
     "image that brings the agent into the pod"},
    {"agent.delivery", CONFIG_TEXT, AT(agent_delivery), "init_container", 0, 0,
     "init_container (copies it from agent.image) | baked (the environments' images have it)"},
    {"sandbox.profile", CONFIG_TEXT, AT(sandbox_profile), "strict", 0, 0,
     "strict (read-only root, workspace in memory) | fast (no volumes: pods start sooner; the "
     "workspace is on the node's disk; needs agent.delivery: baked)"},
    {"agent.port", CONFIG_INT, AT(agent_port), "8700", 1, 65535, "port of the agent in the pod"},
    {"agent.warm", CONFIG_BOOL, AT(agent_warm), "true", 0, 0,
     "interpreters are kept ready in every sandbox, whose memory they take; off: every run starts "
     "its own"},
    {"runtime_class", CONFIG_TEXT, AT(runtime_class), "", 0, 0,
     "RuntimeClass of sandboxes that name none; empty: the cluster's default"},
    {"packages.python_index", CONFIG_TEXT, AT(packages.python), "", 0, 0,
     "PEP 503 index that sessions may install Python packages from, such as "
     "https://index.example/simple/; empty: from folders only"},
    {"packages.python_files", CONFIG_TEXT, AT(packages.files), "", 0, 0,
     "where the files of that index are, when on another host: https://files.index.example/"},
    {"packages.npm_registry", CONFIG_TEXT, AT(packages.npm), "", 0, 0,
     "registry that sessions may install npm packages from, such as https://npm.example/; "
     "empty: from folders only"},
    {"packages.ca_file", CONFIG_TEXT, AT(packages_ca_file), "", 0, 0,
     "certificates that the index and the registry are checked against; empty: the system's"},
    {"overhead.cpu", CONFIG_MILLICPU, AT(overhead_millicpu), "0", 0, 256000,
     "CPU that the cluster adds to every sandbox: overhead.podFixed of runtime_class. Counted when "
     "room is looked for"},
    {"overhead.memory", CONFIG_BYTES, AT(overhead_memory_bytes), "0", 0, 1024 * GI,
     "memory that it adds"},
    {"drain", CONFIG_DURATION_MS, AT(drain_ms), "30s", 0, 10 * MINUTE,
     "how long running requests may take to end after SIGTERM"},
    {"log_level", CONFIG_TEXT, AT(log_level), "info", 0, 0, "debug | info | warn | error"},
    {"remote.token_file", CONFIG_TEXT, AT(remote_token_file), "", 0, 0,
     "one or two lines, each a token that the gateways of other sites may send; empty: this site "
     "serves none"},
    {"remotes", CONFIG_MAP_LIST, AT(remote_rows), "", 0, 0,
     "other sites that take what this one has no room for: name, url, token_file, ca_file, "
     "cert_file, key_file, priority (lowest first), weight (among equals), max_sessions"},
    {"limits.execution", CONFIG_DURATION_MS, LIMIT(execution_ms), "10s", 1, 24 * HOUR,
     "time-out of an execution that names none"},
    {"limits.execution_max", CONFIG_DURATION_MS, LIMIT(execution_max_ms), "300s", 1, 24 * HOUR,
     "longest time-out of an execution"},
    {"limits.session", CONFIG_DURATION_MS, LIMIT(session_ms), "1h", 1000, 168 * HOUR,
     "life-time of a session that names none"},
    {"limits.session_max", CONFIG_DURATION_MS, LIMIT(session_max_ms), "24h", 1000, 168 * HOUR,
     "longest life-time of a session"},
    {"limits.idle", CONFIG_DURATION_MS, LIMIT(idle_ms), "300s", 1000, 168 * HOUR,
     "idle time-out of a session that names none"},
    {"limits.linger", CONFIG_DURATION_MS, LIMIT(linger_ms), "10s", 0, HOUR,
     "how long a session with cleanup completion stays after its last execution"},
    {"limits.ready_wait", CONFIG_DURATION_MS, LIMIT(ready_wait_ms), "20s", 0, 5 * MINUTE,
     "how long an execution waits for its session to be ready"},
    {"limits.start", CONFIG_DURATION_MS, LIMIT(start_ms), "60s", 1000, HOUR,
     "how long a pod may take to start before it is given up"},
    {"limits.setup", CONFIG_DURATION_MS, LIMIT(setup_ms), "120s", 1000, HOUR,
     "how long the packages that a session asked for may take to install"},
    {"limits.packages", CONFIG_BYTES, LIMIT(package_bytes), "256Mi", KI, 64 * GI,
     "most that a session may take from the package index"},
    {"limits.wait_max", CONFIG_DURATION_MS, LIMIT(wait_max_ms), "30s", 0, 30000,
     "longest long-poll"},
    {"limits.output", CONFIG_BYTES, LIMIT(output_bytes), "1Mi", KI, RESULT_OUTPUT_MAX,
     "output that is kept in full, for each stream"},
    {"limits.code", CONFIG_BYTES, LIMIT(code_bytes), "1Mi", KI, 16 * MI, "longest code"},
    {"limits.upload", CONFIG_BYTES, LIMIT(upload_bytes), "10Mi", KI, 64 * GI,
     "largest file that can be uploaded"},
    {"limits.body_rate", CONFIG_BYTES, LIMIT(body_rate), "64Ki", KI, GI,
     "bytes a second that a request's body must bring, behind its first 60 s: what comes more "
     "slowly is 408. At the default a file of 10 MiB may take 220 s"},
    {"limits.create_body", CONFIG_BYTES, LIMIT(create_body_bytes), "64Ki", KI, 64 * KI,
     "longest body of a create request"},
    {"limits.tombstone", CONFIG_DURATION_MS, LIMIT(tombstone_ms), "1h", 1000, 168 * HOUR,
     "how long ended sessions and their results are remembered"},
    {"limits.tombstones", CONFIG_INT, LIMIT(tombstones), "2000", 1, 1000000,
     "ended sessions that a gateway keeps in memory"},
    {"limits.record_cache", CONFIG_BYTES, LIMIT(record_cache_bytes), "16Mi", 0, GI,
     "results of finished executions that a gateway keeps in memory"},
    {"limits.executions", CONFIG_INT, LIMIT(executions), "4", 1, 64,
     "executions that run at once in a session"},
    {"limits.sessions_per_tenant", CONFIG_INT, LIMIT(sessions_per_tenant), "0", 0, 1000000,
     "living sessions of one tenant; 0: no quota"},
    {"limits.sessions", CONFIG_INT, LIMIT(sessions), "100000", 1, 1000000,
     "living sessions of this site"},
    {"limits.cpu_max", CONFIG_MILLICPU, LIMIT(millicpu_max), "2000m", 10, 256000,
     "most CPU that a session may ask for"},
    {"limits.memory_max", CONFIG_BYTES, LIMIT(memory_bytes_max), "2Gi", 16 * MI, 1024 * GI,
     "most memory that a session may ask for"},
    {"limits.disk_max", CONFIG_BYTES, LIMIT(disk_bytes_max), "1Gi", MI, 1024 * GI,
     "largest workspace that a session may ask for"},
    {"limits.connections", CONFIG_INT, LIMIT(connections), "10000", 16, 1000000,
     "client connections at once"},
    {"watermark.usage", CONFIG_BOOL, WATER(usage), "true", 0, 0,
     "ask metrics-server what the nodes really use; off: requests alone count"},
    {"watermark.usage_interval", CONFIG_DURATION_MS, WATER(usage_interval_ms), "10s", 500,
     10 * MINUTE, "how often metrics-server is asked"},
    {"watermark.cpu_high", CONFIG_INT, WATER(cpu_high), "85", 1, 1000,
     "percent of the CPU in use from which new sessions go elsewhere"},
    {"watermark.cpu_low", CONFIG_INT, WATER(cpu_low), "75", 0, 1000,
     "percent of the CPU in use down to which they do"},
    {"watermark.memory_high", CONFIG_INT, WATER(memory_high), "80", 1, 1000,
     "percent of the memory in use from which new sessions go elsewhere; a node above it gets "
     "none"},
    {"watermark.memory_low", CONFIG_INT, WATER(memory_low), "70", 0, 1000,
     "percent of the memory in use down to which they do"},
    {"watermark.reserve", CONFIG_INT, WATER(reserve), "0", 0, 1000000,
     "slots that are left free; twice as many while measurements are missing"},
    {"watermark.dwell", CONFIG_DURATION_MS, WATER(dwell_ms), "60s", 0, HOUR,
     "how long the site stays closed at least, once a high mark was reached"},
    {"watermark.gateways", CONFIG_INT, WATER(gateways), "3", 1, 256,
     "gateways of this site, at least, and as long as Redis has not told: they share what room is "
     "left"},
};
const size_t GATEWAY_CONFIG_KEY_COUNT = ARRAY_LEN(GATEWAY_CONFIG_KEYS);

bool gateway_config_is_fast(const struct gateway_config *c)
{
    return strcmp(c->sandbox_profile, "fast") == 0;
}

bool gateway_config_is_loopback(const char *address)
{
    struct slice a = slice_of(address);
    return slice_starts_with(a, "127.") || slice_starts_with(a, "[::1]:") ||
           slice_starts_with(a, "localhost:") || slice_starts_with(a, "unix:") ||
           slice_starts_with(a, "fd:");
}

static int check_auth(struct gateway_config *c, struct err *err)
{
    bool have_file = *c->auth_keys_file != '\0';
    if (strcmp(c->auth_mode, "keys") != 0 && strcmp(c->auth_mode, "none") != 0 && *c->auth_mode)
        return err_set(err, ERR_CONFIG, "auth.mode: '%s' is none of: keys, none", c->auth_mode);
    if (strcmp(c->auth_mode, "none") == 0) {
        c->auth = GATEWAY_AUTH_NONE;
        return 0;
    }
    c->auth = have_file ? GATEWAY_AUTH_KEYS : GATEWAY_AUTH_NONE;
    if (*c->auth_mode && !have_file)
        return err_set(err, ERR_CONFIG, "auth.mode is 'keys': auth.keys_file is needed");
    for (size_t i = 0; !have_file && i < c->listen.count; i++) {
        if (!gateway_config_is_loopback(c->listen.items[i]))
            return err_set(err, ERR_CONFIG,
                           "listen: %s can be reached from outside and there are no API keys: set "
                           "auth.keys_file, or auth.mode: none",
                           c->listen.items[i]);
    }
    return 0;
}

static int check_words(const struct gateway_config *c, struct err *err)
{
    enum log_level level;
    if (!log_level_from_text(c->log_level, &level))
        return err_set(err, ERR_CONFIG, "log_level: '%s' is none of: debug, info, warn, error",
                       c->log_level);
    if (!session_id_is_label(slice_of(c->site)))
        return err_set(err, ERR_CONFIG, "site: '%s' is not a DNS label", c->site);
    if (*c->name && !session_id_is_name(slice_of(c->name)))
        return err_set(err, ERR_CONFIG, "name: '%s' is not 1 to 64 of A-Z a-z 0-9 . _ -", c->name);
    if (!*c->kube_url && !*c->kube_config && !kubeconfig_is_around())
        return err_set(
            err, ERR_CONFIG,
            "kubernetes.url or kubernetes.kubeconfig is needed: this is no pod, and there "
            "is no $KUBECONFIG");
    if (strcmp(c->agent_delivery, "init_container") != 0 && strcmp(c->agent_delivery, "baked") != 0)
        return err_set(err, ERR_CONFIG, "agent.delivery: '%s' is neither init_container nor baked",
                       c->agent_delivery);
    if (strcmp(c->sandbox_profile, "strict") != 0 && !gateway_config_is_fast(c))
        return err_set(err, ERR_CONFIG, "sandbox.profile: '%s' is neither strict nor fast",
                       c->sandbox_profile);
    if (gateway_config_is_fast(c) && strcmp(c->agent_delivery, "baked") != 0)
        return err_set(err, ERR_CONFIG,
                       "sandbox.profile: fast has no volume that an agent could be copied to; it "
                       "needs agent.delivery: baked");
    if (!*c->site_key_file)
        return err_set(err, ERR_CONFIG,
                       "site_key_file is needed (head -c32 /dev/urandom | xxd -p -c64)");
    if (!*c->environments_file)
        return err_set(err, ERR_CONFIG, "environments_file is needed");
    return 0;
}

static int check_limits(const struct gateway_limits *l, struct err *err)
{
    if (l->execution_ms > l->execution_max_ms)
        return err_set(err, ERR_CONFIG, "limits.execution is above limits.execution_max");
    if (l->session_ms > l->session_max_ms)
        return err_set(err, ERR_CONFIG, "limits.session is above limits.session_max");
    return 0;
}

static int check_marks(const struct gateway_watermark *w, struct err *err)
{
    if (w->cpu_low > w->cpu_high)
        return err_set(err, ERR_CONFIG, "watermark.cpu_low is above watermark.cpu_high");
    if (w->memory_low > w->memory_high)
        return err_set(err, ERR_CONFIG, "watermark.memory_low is above watermark.memory_high");
    return 0;
}

static int check_remotes(struct gateway_config *c, struct err *err)
{
    c->remote_count = c->remote_rows.count;
    if (c->remote_count > REMOTES_MAX)
        return err_set(err, ERR_CONFIG, "remotes: more than %d", REMOTES_MAX);
    for (size_t i = 0; i < c->remote_count; i++) {
        if (remote_conf_parse(&c->remotes[i], &c->remote_rows.items[i], err) < 0)
            return err_wrap(err, "remotes: item %zu", i + 1);
        if (strcmp(c->remotes[i].name, c->site) == 0)
            return err_set(err, ERR_CONFIG, "remotes: item %zu is this site itself", i + 1);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(c->remotes[i].name, c->remotes[k].name) == 0)
                return err_set(err, ERR_CONFIG, "remotes: '%s' is there twice", c->remotes[i].name);
        }
    }
    return 0;
}

int gateway_config_check(struct gateway_config *c, struct err *err)
{
    int rc = check_words(c, err);
    if (rc == 0)
        rc = check_limits(&c->limits, err);
    if (rc == 0)
        rc = check_remotes(c, err);
    if (rc == 0)
        rc = package_index_check(&c->packages, err);
    if (rc == 0)
        rc = check_marks(&c->watermark, err);
    return rc == 0 ? check_auth(c, err) : rc;
}

static int check(void *target, struct err *err)
{
    return gateway_config_check(target, err);
}

struct config *gateway_config_read(int argc, char **argv, struct gateway_config *out,
                                   struct err *err)
{
    return config_read_checked("spillway-gateway", GATEWAY_CONFIG_KEYS, GATEWAY_CONFIG_KEY_COUNT,
                               argc, argv, out, check, err);
}
