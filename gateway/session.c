#include "gateway/session.h"

#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "gateway/session_text.h"

#include <stdio.h>
#include <stdlib.h>

#define KNOWN_EXECUTIONS_MAX 1000
#define FAR_AWAY_MS          (3600 * 1000)
#define MOVED_LEAST_MS       500 /* less is how long an answer took */

static const struct fsm_state STATES[] = {SESSION_STATES(FSM_STATE)};
const struct fsm_table SESSION_FSM = {"session", STATES, SESSION_STATE_COUNT};

static const char *const WORDS[SESSION_STATE_COUNT] = {
    [SESSION_PENDING] = "pending",   [SESSION_CREATING] = "creating",
    [SESSION_READY] = "ready",       [SESSION_EXECUTING] = "executing",
    [SESSION_STOPPING] = "stopping", [SESSION_STOPPED] = "stopped",
    [SESSION_ERROR] = "error"};

struct session *session_new(const char *id, const char *tenant, uint16_t agent_port, int64_t now_ms)
{
    struct session *s = mem_alloc(sizeof(*s));
    fsm_init(&s->fsm, &SESSION_FSM, SESSION_PENDING);
    snprintf(s->id, sizeof(s->id), "%s", id);
    snprintf(s->tenant, sizeof(s->tenant), "%s", tenant);
    s->waiters.prev = s->waiters.next = &s->waiters;
    s->agent.port = agent_port;
    s->created_ms = now_ms;
    s->references = 1;
    return s;
}

struct session *session_ref(struct session *s)
{
    s->references++;
    return s;
}

bool session_set_text(char **at, const char *text)
{
    size_t len = strnlen(text, SESSION_MESSAGE_SIZE - 1);
    const char *before = *at ? *at : "";
    if (strlen(before) == len && memcmp(before, text, len) == 0)
        return false;
    free(*at);
    *at = len > 0 ? mem_text_n(text, len) : NULL;
    return true;
}

void session_set_failure(struct session *s, const struct err *err)
{
    if (!s->failure)
        s->failure = mem_alloc(sizeof(*s->failure));
    *s->failure = *err;
}

void session_unref(struct session *s)
{
    INVARIANT(s->references > 0);
    if (--s->references > 0)
        return;
    INVARIANT(!session_has_waiters(s));
    session_text_fini(s);
    session_spec_fini(&s->spec);
    session_activity_fini(&s->activity);
    json_free(s->env);
    json_free(s->executions);
    json_free(s->view);
    free(s->node_name);
    free(s->pod_message);
    free(s->message);
    free(s->failure);
    free(s);
}

enum session_state session_state(const struct session *s)
{
    return (enum session_state)s->fsm.state;
}

enum session_state session_state_listed(const struct session *s)
{
    bool unasked = session_state(s) == SESSION_CREATING && s->pod_ready && !s->tender &&
                   s->activity_seen_ms == 0;
    return unasked ? SESSION_READY : session_state(s);
}

const char *session_state_word(enum session_state s)
{
    return WORDS[s];
}

bool session_state_from_word(const char *word, enum session_state *out)
{
    for (int i = 0; i < SESSION_STATE_COUNT; i++) {
        if (strcmp(word, WORDS[i]) == 0) {
            *out = (enum session_state)i;
            return true;
        }
    }
    return false;
}

bool session_is_over(const struct session *s)
{
    return session_state(s) == SESSION_STOPPED || session_state(s) == SESSION_ERROR;
}

bool session_is_going(const struct session *s)
{
    return session_state(s) == SESSION_STOPPING || session_is_over(s) || s->pod_deleting ||
           s->pod_over || s->pod_gone;
}

bool session_is_started(const struct session *s)
{
    return s->activity_seen_ms > 0 && s->activity.started;
}

bool session_never_was_ready(const struct session *s)
{
    return !s->pod_ran && !session_is_started(s);
}

bool session_is_remote(const struct session *s)
{
    return *s->site != '\0';
}

bool session_is_unstarted(const struct session *s, int64_t since_ms)
{
    bool heard = s->activity_seen_ms > 0 && s->activity_seen_ms >= since_ms;
    return !session_is_started(s) && (!s->pod_ran || s->placed_here || heard);
}

bool session_is_silent(const struct session *s)
{
    bool going = session_is_over(s) || session_state(s) == SESSION_STOPPING || s->pod_deleting;
    return s->pod_ready && !s->placed_here && s->activity_seen_ms == 0 && !going;
}

bool session_is_usable(const struct session *s)
{
    return (session_state(s) == SESSION_READY || session_state(s) == SESSION_EXECUTING) &&
           !s->ending;
}

/* -- the pod -- */

static bool put(char *to, size_t size, const char *from)
{
    if (strncmp(to, from, size - 1) == 0 && strlen(from) < size)
        return false;
    snprintf(to, size, "%s", from);
    return true;
}
#define PUT(field, text) put(field, sizeof(field), text)

static const char *trouble_of(const struct kube_pod *pod)
{
    if (pod->oom_killed)
        return "oom_killed";
    if (pod->evicted)
        return "evicted";
    if (pod->image_error)
        return "image_pull";
    if (pod->unschedulable)
        return "unschedulable";
    return kube_pod_alive(pod) ? "" : "agent_lost";
}

static bool see_schedule(struct session *s, const struct kube_pod *pod, int64_t now_ms)
{
    bool changed = session_set_text(&s->node_name, pod->node_name);
    if (s->bound_ms == 0 && s->node_name)
        s->bound_ms = now_ms;
    if (!pod->unschedulable)
        s->unschedulable_since_ms = 0;
    else if (s->unschedulable_since_ms == 0)
        s->unschedulable_since_ms = now_ms;
    return changed;
}

/* The pod's deadline was moved. The agent may have spoken before it was told, or behind that. */
static void follow_deadline(struct session *s, int64_t by_ms)
{
    int64_t *ahead_ms = &s->agent_ahead_ms, known_ms = 0;
    if ((by_ms > 0) == (*ahead_ms > 0))
        known_ms = llabs(by_ms) < llabs(*ahead_ms) ? by_ms : *ahead_ms;
    *ahead_ms -= known_ms;
    if (s->activity.left_ms != 0)
        s->activity.left_ms += by_ms - known_ms;
}

bool session_see_pod(struct session *s, const struct kube_pod *pod, int64_t now_ms)
{
    bool changed = see_schedule(s, pod, now_ms);
    changed |= PUT(s->pod_name, pod->name);
    changed |= PUT(s->pod_uid, pod->uid);
    changed |= PUT(s->namespace_name, pod->namespace_name);
    changed |= PUT(s->agent.host, pod->pod_ip);
    changed |= PUT(s->pod_trouble, trouble_of(pod));
    if (pod->message && *pod->message)
        session_set_text(&s->pod_message, pod->message);
    bool over = !kube_pod_alive(pod);
    changed |=
        s->pod_ready != pod->ready || s->pod_over != over || s->pod_deleting != pod->terminating;
    s->pod_ready = pod->ready;
    s->pod_ran |= pod->ready || pod->phase == KUBE_RUNNING;
    if (s->pod_ready_ms == 0 && pod->ready)
        s->pod_ready_ms = now_ms;
    s->pod_over = over;
    s->pod_deleting = pod->terminating;
    if (s->created_wall_ms == 0) /* whoever made it knows it to the millisecond */
        s->created_wall_ms = pod->created_wall_ms;
    if (s->ready_wall_ms == 0 && pod->ready && !s->placed_here) /* in whole seconds, rounded down */
        s->ready_wall_ms =
            pod->ready_wall_ms > s->created_wall_ms ? pod->ready_wall_ms : s->created_wall_ms;
    if (pod->marks.deadline_wall_ms > 0) {
        changed |= s->deadline_wall_ms != pod->marks.deadline_wall_ms;
        follow_deadline(s, pod->marks.deadline_wall_ms - s->deadline_wall_ms);
        s->deadline_wall_ms = pod->marks.deadline_wall_ms;
    }
    return changed;
}

void session_adopt_pod(struct session *s, const struct kube_pod *pod)
{
    struct session_spec spec;
    struct err ignored;
    PUT(s->tenant, pod->marks.tenant);
    PUT(s->epoch, pod->marks.epoch);
    PUT(s->nonce, pod->marks.nonce);
    PUT(s->fingerprint, pod->marks.fingerprint);
    /* A pod whose annotation somebody broke keeps an empty spec: it can still be ended. */
    if (session_spec_from_text(&spec, pod->marks.spec_json, &ignored) == 0) {
        session_spec_fini(&s->spec);
        s->spec = spec;
    }
    s->deadline_wall_ms = pod->marks.deadline_wall_ms;
    s->created_wall_ms =
        s->spec.created_wall_ms > 0 ? s->spec.created_wall_ms : pod->created_wall_ms;
    if (session_state(s) == SESSION_PENDING)
        fsm_move(&s->fsm, SESSION_CREATING);
}

/* -- the agent -- */

/* An agent is not believed: what is reckoned with later is checked here. */
#define COUNT_MAX ((int64_t)1 << 53)
#define MS_MAX    ((int64_t)10 * 366 * 24 * 3600 * 1000)
static const struct {
    const char *name;
    int64_t min, max;
} NUMBERS[] = {
    {"seq", 0, COUNT_MAX},
    {"running", 0, 65536},
    {"idle_ms", 0, MS_MAX},
    {"executions", 0, 65536},
    {"tended_ms", 0, MS_MAX},
    {"last_end_ms", -1, MS_MAX},
    {"deadline_ms", -MS_MAX, MS_MAX},
};

static int check_numbers(const struct json_t *j, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        const struct json_t *value = json_get(j, NUMBERS[i].name);
        int64_t n = json_int(value, 0);
        if (value && (!json_is_integer(value) || n < NUMBERS[i].min || n > NUMBERS[i].max))
            return err_set(err, ERR_UPSTREAM, "the agent's %s is no number of its kind",
                           NUMBERS[i].name);
    }
    return 0;
}

static int check_unstored(const struct json_t *list, struct err *err)
{
    bool good = !list || (json_is_array(list) && json_count(list) <= KNOWN_EXECUTIONS_MAX);
    for (size_t i = 0; good && i < json_count(list); i++)
        good = session_id_is_name(slice_of(json_text(json_item(list, i))));
    return good ? 0 : err_set(err, ERR_UPSTREAM, "the agent's list of ids is none");
}

static struct json_t *parse_checked(struct slice body, struct err *err)
{
    struct json_t *j = json_parse_object(body, err);
    if (j && (check_numbers(j, err) < 0 || check_unstored(json_get(j, "unstored"), err) < 0)) {
        json_free(j);
        j = NULL;
    }
    return j;
}

/* An agent's words come from where other people's code runs: what is shown of them is one line of
 * plain characters. */
static void read_setup(struct session_activity *out, const struct json_t *setup)
{
    if (!setup)
        return;
    const char *state = json_get_text(setup, "state", "");
    out->setting_up = strcmp(state, "running") == 0;
    out->setup_failed = strcmp(state, "failed") == 0;
    bool late = out->setup_failed && strcmp(json_get_text(setup, "status", ""), "timeout") == 0;
    out->setup = mem_alloc(SESSION_MESSAGE_SIZE);
    snprintf(out->setup, SESSION_MESSAGE_SIZE, "%s%s",
             late ? "that took too long; its last words were: " : "",
             json_get_text(setup, "line", ""));
    for (char *p = out->setup; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

int session_activity_parse(struct session_activity *out, struct slice body, struct err *err)
{
    struct json_t *j = parse_checked(body, err);
    if (!j)
        return -ERR_BAD_JSON;
    struct json_t *unstored = json_get(j, "unstored");
    int64_t left_ms = json_int(json_get(j, "deadline_ms"), -1); /* -1: it was not started yet */
    *out = (struct session_activity){
        .seq = json_int(json_get(j, "seq"), 0),
        .started = json_true(json_get(j, "started")),
        .quiesced = json_true(json_get(j, "quiesced")),
        .running = json_int(json_get(j, "running"), 0),
        .idle_ms = json_int(json_get(j, "idle_ms"), 0),
        .executions = json_int(json_get(j, "executions"), 0),
        .last_end_ms = json_int(json_get(j, "last_end_ms"), -1),
        .tended_ms = json_int(json_get(j, "tended_ms"), 0),
        .left_ms = left_ms == -1 ? 0 : left_ms,
        .unstored = json_count(unstored) > 0 ? json_ref(unstored) : NULL,
    };
    read_setup(out, json_get(j, "setup"));
    PUT(out->last_execution, json_get_text(j, "last_execution", ""));
    PUT(out->tender, json_get_text(j, "tender", ""));
    PUT(out->epoch, json_get_text(j, "epoch", ""));
    json_free(j);
    return 0;
}

void session_activity_fini(struct session_activity *a)
{
    free(a->setup);
    json_free(a->unstored);
    a->setup = NULL;
    a->unstored = NULL;
}

void session_note_execution(struct session *s, const char *execution_id, const char *state)
{
    const char *known = json_get_text(s->executions, execution_id, NULL);
    if (known && strcmp(known, "stored") == 0)
        return;
    if (!s->executions)
        s->executions = json_new_object();
    if (known || json_count(s->executions) < KNOWN_EXECUTIONS_MAX)
        json_set_text(s->executions, execution_id, state);
}

static bool follow_activity(struct session *s)
{
    enum session_state now = session_state(s);
    enum session_state want = s->activity.running > 0 ? SESSION_EXECUTING : SESSION_READY;
    if (!s->activity.started || now == want || !fsm_may_move(&s->fsm, (int)want))
        return false;
    fsm_move(&s->fsm, (int)want);
    return true;
}

/* A longer life is told to the agent first: its pod's follows. */
static void note_moved_deadline(struct session *s, const struct session_activity *a, int64_t now_ms)
{
    if (s->activity.left_ms == 0 || a->left_ms == 0)
        return;
    int64_t by_ms = a->left_ms - (s->activity.left_ms - (now_ms - s->activity_seen_ms));
    if (llabs(by_ms) >= MOVED_LEAST_MS)
        s->agent_ahead_ms += by_ms;
}

bool session_see_activity(struct session *s, struct session_activity *a, int64_t now_ms,
                          int64_t wall_ms)
{
    bool first = s->activity_seen_ms == 0;
    bool changed = first || s->activity.seq != a->seq;
    note_moved_deadline(s, a, now_ms);
    session_activity_fini(&s->activity);
    s->activity = *a;
    *a = (struct session_activity){0};
    s->activity_seen_ms = now_ms > 0 ? now_ms : 1;
    s->activity_wall_ms = wall_ms - s->activity.idle_ms;
    if (*s->activity.last_execution) {
        changed |= PUT(s->last_execution, s->activity.last_execution);
        session_note_execution(s, s->activity.last_execution, "running");
    }
    for (size_t i = 0; i < json_count(s->activity.unstored); i++) {
        const char *eid = json_text(json_item(s->activity.unstored, i));
        if (eid)
            session_note_execution(s, eid, "running");
    }
    if (s->activity.started && s->ready_wall_ms == 0)
        s->ready_wall_ms = wall_ms;
    return follow_activity(s) || changed;
}

void session_see_execution(struct session *s, const char *execution_id, bool running,
                           int64_t wall_ms)
{
    PUT(s->last_execution, execution_id);
    session_note_execution(s, execution_id, "running");
    s->activity_wall_ms = wall_ms;
    if (running && session_state(s) == SESSION_READY)
        fsm_move(&s->fsm, SESSION_EXECUTING);
}

/* -- the end by its own rules -- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t session_left_ms(const struct session *s, int64_t now_ms, int64_t wall_ms)
{
    if (s->deadline_wall_ms <= 0)
        return FAR_AWAY_MS;
    if (s->activity_seen_ms > 0 && s->activity.left_ms != 0)
        return s->activity.left_ms - (now_ms - s->activity_seen_ms);
    if (s->placed_here)
        return s->deadline_wall_ms - s->created_wall_ms - (now_ms - s->created_ms);
    return s->deadline_wall_ms - wall_ms;
}

const char *session_due(const struct session *s, int64_t now_ms, int64_t wall_ms, int64_t *in_ms)
{
    int64_t to_deadline = session_left_ms(s, now_ms, wall_ms);
    *in_ms = to_deadline > 0 ? least(to_deadline, FAR_AWAY_MS) : 0;
    if (to_deadline <= 0)
        return "deadline";
    if (!session_is_started(s) || s->activity.running > 0)
        return NULL;
    bool by_completion =
        s->spec.cleanup == SESSION_CLEANUP_COMPLETION && s->activity.executions > 0;
    int64_t idle_ms = s->activity.idle_ms + (now_ms - s->activity_seen_ms);
    int64_t left = (by_completion ? s->spec.linger_ms : s->spec.idle_ms) - idle_ms;
    *in_ms = least(*in_ms, left > 0 ? left : 0);
    if (left > 0)
        return NULL;
    return by_completion ? "completion" : "idle";
}

/* -- who waits -- */

void session_wait(struct session *s, struct session_waiter *w, session_waiter_f *fn, void *user)
{
    INVARIANT(!w->next);
    w->fn = fn;
    w->user = user;
    w->next = &s->waiters;
    w->prev = s->waiters.prev;
    w->prev->next = w->next->prev = w;
}

void session_unwait(struct session_waiter *w)
{
    if (!w->next)
        return;
    w->prev->next = w->next;
    w->next->prev = w->prev;
    w->prev = w->next = NULL;
}

bool session_has_waiters(const struct session *s)
{
    return s->waiters.next != &s->waiters;
}

void session_wake(struct session *s)
{
    /* The ring as it is now; who is told may take others out of it, or come again behind `mark`. */
    struct session_waiter mark = {0};
    session_ref(s);
    session_wait(s, &mark, NULL, NULL);
    while (s->waiters.next != &mark) {
        struct session_waiter *w = s->waiters.next;
        session_unwait(w);
        w->fn(w->user);
    }
    session_unwait(&mark);
    session_unref(s);
}
