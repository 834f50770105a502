#include "gateway/tender.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/agent_call.h"
#include "gateway/deadline_check.h"
#include "gateway/ending.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/package_courier.h"
#include "gateway/packages.h"
#include "gateway/record_copy.h"
#include "gateway/remote_placement.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "gateway/session_text.h"
#include "gateway/site_clock.h"
#include "gateway/start_check.h"
#include "gateway/stray_check.h"
#include "gateway/stray_pods.h"

#include <stdio.h>
#include <stdlib.h>

#define POLL_S              20
#define POLL_SLACK_MS       5000
#define POLL_EVERY_MS       20
#define POLL_BURST_MS       1000
#define START_CALL_MS       2000
#define DEADLINE_SKEW_MS    2000 /* between the agent's timer and the pod's annotation */
#define DEADLINE_AGAIN_MS   1000
#define START_RETRY_FIRST   10
#define START_RETRY_MAX     250
#define RETRY_FIRST_MS      50
#define RETRY_MAX_MS        1000
#define COPY_RETRY_FIRST_MS 100
#define COPY_RETRY_MAX_MS   2000
#define UNSCHEDULABLE_MS    3000  /* a scheduler may change its mind for so long */
#define REFUSED_PAUSE_MS    250   /* behind an agent's refusal to end */
#define FIRST_WORD_MS       5000  /* of an agent: another gateway may have started it */
#define SETUP_SILENCE_MS    15000 /* of an agent that installs packages */
#define CHECK_AGAIN_MS      250   /* somebody else is about to place it */
#define ENV_PATIENCE_MS     15000 /* for the creator, the only one who knows the session's env */

#define STATES(X)                                                                                  \
    X(TENDER, WAITING, FSM_TO(TENDER_STARTING))                                                    \
    X(TENDER, STARTING, FSM_TO(TENDER_TENDING) | FSM_TO(TENDER_WAITING))                           \
    X(TENDER, TENDING, 0)
enum tender_states { STATES(FSM_ENUM) TENDER_STATE_COUNT };
static const struct fsm_state STATE_ROWS[] = {STATES(FSM_STATE)};
const struct fsm_table TENDER_FSM = {"tender", STATE_ROWS, TENDER_STATE_COUNT};

struct tender {
    struct gateway *g;
    struct session *s;
    struct fsm fsm;
    struct agent_call *call; /* start, or the long-poll */
    struct agent_call *deadline_call;
    struct stray_check *check;             /* before its agent is started */
    enum stray_check_verdict verdict;      /* what that said */
    int64_t agreed_wall_ms, tells_wall_ms; /* deadlines that the agent has, and is told */
    int64_t agent_ends_ms;                 /* by its own timer, as it last said; 0: it did not */
    struct record_copy *copy;
    struct package_courier *courier; /* while packages are installed from an index; else NULL */
    struct timer *due_timer;         /* when a rule of the session may bite */
    /* Made when they are needed: calls seldom fail. */
    struct timer *call_timer;     /* when to call again */
    struct timer *copy_timer;     /* when to copy again */
    struct timer *deadline_timer; /* when to tell the agent again what it did not hear */
    int64_t begun_ms;
    int64_t polls_ms; /* up to when its polls are used up */
    int64_t retry_ms, copy_retry_ms;
};

static void begin_call(struct tender *t);
static void check_due(struct tender *t);

static int64_t now_ms(const struct tender *t)
{
    return world_now_ms(t->g->world);
}

static int64_t wall_ms(const struct tender *t)
{
    return site_clock_ms(t->g);
}

static enum tender_states state_of(const struct tender *t)
{
    return (enum tender_states)t->fsm.state;
}

const char *tender_state(const struct tender *t)
{
    return fsm_state_name(&t->fsm);
}

void tender_free(struct tender **tender)
{
    struct tender *t = *tender;
    if (!t)
        return;
    *tender = NULL;
    agent_call_cancel(&t->call);
    agent_call_cancel(&t->deadline_call);
    stray_check_cancel(&t->check);
    record_copy_cancel(&t->copy);
    package_courier_free(&t->courier);
    timer_free(t->g->world, &t->call_timer);
    timer_free(t->g->world, &t->due_timer);
    timer_free(t->g->world, &t->copy_timer);
    timer_free(t->g->world, &t->deadline_timer);
    session_unref(t->s);
    free(t);
}

/* Most tenders never need these: their calls do not fail. */
static void start_rare(struct tender *t, struct timer **timer, timer_f *fn, int64_t after_ms)
{
    if (!*timer)
        *timer = timer_new(t->g->world, fn, t);
    timer_start(t->g->world, *timer, after_ms, 0);
}

static void on_call_timer(void *user)
{
    begin_call(user);
}

static void call_after(struct tender *t, int64_t ms)
{
    start_rare(t, &t->call_timer, on_call_timer, ms);
}

static void call_again(struct tender *t, int64_t max_ms)
{
    call_after(t, t->retry_ms);
    t->retry_ms = t->retry_ms * 2 < max_ms ? t->retry_ms * 2 : max_ms;
}

/* -- copying results -- */

static void begin_copy(struct tender *t);

static void on_copy_timer(void *user)
{
    begin_copy(user);
}

static bool has_uncopied(const struct session *s)
{
    for (size_t i = 0; i < json_count(s->activity.unstored); i++) {
        const char *eid = json_text(json_item(s->activity.unstored, i));
        if (!slice_eq(slice_of(json_get_text(s->executions, eid, "")), "stored"))
            return true;
    }
    return false;
}

static void on_copied(const struct err *err, void *user)
{
    struct tender *t = user;
    t->copy = NULL;
    if (!err) {
        t->copy_retry_ms = COPY_RETRY_FIRST_MS;
        if (has_uncopied(t->s)) /* told while we copied */
            begin_copy(t);
        return; /* /stored changes the activity: the next answer says what is left */
    }
    LOG(LOG_WARN, "result_copy_failed", KV("session", t->s->id), KV("error", err->msg));
    start_rare(t, &t->copy_timer, on_copy_timer, t->copy_retry_ms);
    t->copy_retry_ms =
        t->copy_retry_ms * 2 < COPY_RETRY_MAX_MS ? t->copy_retry_ms * 2 : COPY_RETRY_MAX_MS;
}

static void begin_copy(struct tender *t)
{
    if (t->copy || json_count(t->s->activity.unstored) == 0)
        return;
    if (t->copy_timer)
        timer_stop(t->g->world, t->copy_timer);
    t->copy = record_copy_start(t->g, t->s, t->s->activity.unstored, on_copied, t);
}

/* -- the agent's own deadline -- */

static void mend_deadline(struct tender *t);

static void on_deadline_timer(void *user)
{
    mend_deadline(user);
}

static void on_deadline(int status, struct slice body, const struct err *err, void *user)
{
    struct tender *t = user;
    (void)body;
    t->deadline_call = NULL;
    if (!err && status == 200)
        t->agreed_wall_ms = t->tells_wall_ms;
    else
        start_rare(t, &t->deadline_timer, on_deadline_timer, DEADLINE_AGAIN_MS);
}

static void tell_deadline(struct tender *t, int64_t left_ms)
{
    char body[64];
    LOG(LOG_INFO, "deadline_mended", KV("session", t->s->id), KV("left_ms", left_ms));
    t->tells_wall_ms = t->s->deadline_wall_ms;
    snprintf(body, sizeof(body), "{\"deadline_ms\":%lld}", (long long)left_ms);
    const struct agent_call_request req = {.method = HTTP_METHOD_POST,
                                           .target = "/v1/deadline",
                                           .body = slice_of(body),
                                           .total_ms = START_CALL_MS};
    t->deadline_call = agent_call_start(t->g, t->s, &req, on_deadline, t);
}

/* The pod's deadline was moved: an agent that would end at another time is told, until it hears.
 * Where nothing was moved the two differ by clocks alone; one that is over needs nobody's word. */
static void mend_deadline(struct tender *t)
{
    const struct session *s = t->s;
    int64_t left_ms = s->deadline_wall_ms - wall_ms(t);
    int64_t theirs_ms = t->agent_ends_ms - now_ms(t);
    if (t->deadline_call || s->activity.quiesced || s->deadline_wall_ms == t->agreed_wall_ms)
        return;
    if (t->agent_ends_ms != 0 && left_ms > 0 && llabs(theirs_ms - left_ms) > DEADLINE_SKEW_MS)
        tell_deadline(t, left_ms);
    else
        t->agreed_wall_ms = s->deadline_wall_ms;
}

/* -- what the agent says -- */

/* The watch may bring the pod before the create's own answer: a phase may be empty. */
static void observe_phases(const struct tender *t)
{
    const struct session *s = t->s;
    const int64_t ends[GATEWAY_PHASE_COUNT] = {s->posted_ms, s->bound_ms, s->pod_ready_ms,
                                               now_ms(t)};
    int64_t begin = s->created_ms;
    for (int i = 0; i < GATEWAY_PHASE_COUNT; i++) {
        int64_t end = ends[i] > begin ? ends[i] : begin;
        gateway_metrics_session_phase(t->g->metrics, (enum gateway_phase)i, end - begin);
        begin = end;
    }
}

static void note_started(struct tender *t)
{
    struct session *s = t->s;
    json_free(s->env);
    s->env = NULL;
    if (s->placed_here) {
        gateway_metrics_session_started(t->g->metrics, now_ms(t) - s->created_ms);
        observe_phases(t);
    }
    LOG(LOG_INFO, "session_ready", KV("session", s->id),
        KV("node", s->node_name ? s->node_name : ""), KV("took_ms", now_ms(t) - s->created_ms));
}

/* False: the tender is gone. */
static bool take_activity(struct tender *t, struct session_activity *a)
{
    struct session *s = t->s;
    bool was_started = session_is_started(s);
    char newer[EXECUTION_ID_SIZE];
    if (strcmp(a->epoch, s->epoch) != 0) { /* another pod has the address: ours is gone */
        session_activity_fini(a);
        call_again(t, RETRY_MAX_MS);
        return true;
    }
    snprintf(newer, sizeof(newer), "%s", a->tender);
    t->agent_ends_ms = a->left_ms != 0 ? now_ms(t) + a->left_ms : 0;
    if (session_see_activity(s, a, now_ms(t), wall_ms(t)))
        session_table_changed(t->g->sessions, s);
    if (!was_started && session_is_started(s))
        note_started(t);
    if (state_of(t) == TENDER_TENDING && *newer && strcmp(newer, t->g->name) != 0) {
        LOG(LOG_INFO, "tender_left", KV("session", s->id), KV("to", newer));
        tender_free(&s->tender);
        return false;
    }
    return true;
}

static bool parse_activity(int status, struct slice body, struct session_activity *a)
{
    struct err bad;
    return status == 200 && session_activity_parse(a, body, &bad) == 0;
}

/* -- TENDING -- */

/* At once, as long as the agent lets the calls wait: one that answers without end is asked less. */
static void poll_again(struct tender *t)
{
    int64_t now = now_ms(t);
    t->polls_ms = (t->polls_ms > now ? t->polls_ms : now) + POLL_EVERY_MS;
    if (t->polls_ms - now > POLL_BURST_MS)
        call_after(t, POLL_EVERY_MS);
    else
        begin_call(t);
}

static void on_polled(int status, struct slice body, const struct err *err, void *user)
{
    struct tender *t = user;
    struct session_activity a;
    t->call = NULL;
    if (err || !parse_activity(status, body, &a)) {
        call_again(t, RETRY_MAX_MS);
        return;
    }
    t->retry_ms = RETRY_FIRST_MS;
    if (!take_activity(t, &a))
        return;
    session_text_fini(t->s); /* made again for who asks: most sessions are asked seldom */
    mend_deadline(t);
    begin_copy(t);
    poll_again(t);
    check_due(t); /* last: may end the tender */
}

static void poll_activity(struct tender *t)
{
    char target[192];
    snprintf(target, sizeof(target), "/v1/activity?since=%lld&wait=%d&tender=%s",
             (long long)t->s->activity.seq, POLL_S, t->g->name);
    const struct agent_call_request req = {
        .method = HTTP_METHOD_GET, .target = target, .total_ms = POLL_S * 1000 + POLL_SLACK_MS};
    t->call = agent_call_start(t->g, t->s, &req, on_polled, t);
}

/* -- STARTING -- */

static bool knows_env(const struct tender *t)
{
    return !t->s->spec.has_env || t->s->env;
}

static void on_started(int status, struct slice body, const struct err *err, void *user)
{
    struct tender *t = user;
    struct session_activity a;
    t->call = NULL;
    if (err || !parse_activity(status, body, &a)) {
        call_again(t, START_RETRY_MAX);
        return;
    }
    if (!take_activity(t, &a))
        return;
    if (t->s->activity.setup_failed) {
        ending_start(t->g, t->s, ENDING_PACKAGES);
        return;
    }
    if (!session_is_started(t->s) && t->verdict == STRAY_CHECK_YES) {
        stray_pods_remove(t->g, t->s);
        return;
    }
    if (t->s->activity.setting_up && t->s->spec.packages && !t->courier)
        t->courier = package_courier_start(t->g, t->s);
    if (!session_is_started(t->s)) {
        call_again(t, START_RETRY_MAX);
        return;
    }
    package_courier_free(&t->courier);
    t->retry_ms = RETRY_FIRST_MS;
    fsm_move(&t->fsm, TENDER_TENDING);
    begin_copy(t);
    begin_call(t);
    check_due(t);
}

static void start_agent(struct tender *t)
{
    struct buf body;
    int64_t left_ms = session_left_ms(t->s, now_ms(t), wall_ms(t));
    buf_init(&body, (size_t)256 * 1024);
    struct json_t *j = json_new_object();
    json_set_text(j, "epoch", t->s->epoch);
    json_set(j, "env", t->s->env ? json_ref(t->s->env) : json_new_object());
    json_set_int(j, "deadline_ms", left_ms > 1 ? left_ms : 1);
    packages_put(t->s->spec.packages, j);
    if (t->s->spec.packages && package_index_is_there(&t->g->conf.packages))
        json_set(j, "index", package_index_paths(&t->g->conf.packages));
    json_print(j, &body);
    json_free(j);
    const struct agent_call_request req = {.method = HTTP_METHOD_POST,
                                           .target = "/v1/start",
                                           .body = buf_slice(&body),
                                           .total_ms = START_CALL_MS};
    t->call = agent_call_start(t->g, t->s, &req, on_started, t);
    t->agreed_wall_ms = t->s->deadline_wall_ms;
    buf_fini(&body);
}

/* The variables are known to the creator only, or the session is elsewhere: look whether somebody
 * has started the agent. */
static void look_whether_started(struct tender *t)
{
    const struct agent_call_request req = {
        .method = HTTP_METHOD_GET, .target = "/v1/activity?wait=0", .total_ms = START_CALL_MS};
    t->call = agent_call_start(t->g, t->s, &req, on_started, t);
}

static void on_checked(enum stray_check_verdict v, void *user)
{
    struct tender *t = user;
    t->check = NULL;
    t->verdict = v;
    if (v == STRAY_CHECK_UNSETTLED && state_of(t) == TENDER_STARTING && !t->call)
        look_whether_started(t);
    else if (v == STRAY_CHECK_UNSETTLED)
        call_after(t, CHECK_AGAIN_MS);
    else if (state_of(t) == TENDER_STARTING)
        begin_call(t);
}

/* While the pod comes up there is time for it. */
static void check_pod(struct tender *t)
{
    if (!t->check && t->verdict == STRAY_CHECK_UNSETTLED)
        t->check = stray_check_start(t->g, t->s, on_checked, t);
}

static void begin_call(struct tender *t)
{
    if (t->call)
        return;
    if (state_of(t) == TENDER_TENDING)
        poll_activity(t);
    else if (t->verdict == STRAY_CHECK_UNSETTLED)
        check_pod(t);
    else if (state_of(t) == TENDER_STARTING && knows_env(t) && t->verdict == STRAY_CHECK_NO)
        start_agent(t);
    else if (state_of(t) == TENDER_STARTING)
        look_whether_started(t);
}

/* -- when it is over -- */

/* The agent ends that in time by itself, if it is still there. */
static bool is_setting_up(const struct tender *t)
{
    return t->s->activity.setting_up && now_ms(t) - t->s->activity_seen_ms < SETUP_SILENCE_MS;
}

static bool is_start_overdue(const struct tender *t)
{
    const struct session *s = t->s;
    int64_t since_ms = s->pod_ready_ms > t->begun_ms ? s->pod_ready_ms : t->begun_ms;
    if (is_setting_up(t) || now_ms(t) - since_ms < FIRST_WORD_MS)
        return false;
    if (!session_is_unstarted(s, t->begun_ms))
        return false;
    if (now_ms(t) - s->created_ms > t->g->conf.limits.start_ms)
        return true;
    return s->pod_ready && !knows_env(t) && now_ms(t) - t->begun_ms > ENV_PATIENCE_MS;
}

static enum ending_cause cause_of(const char *word)
{
    if (strcmp(word, "deadline") == 0)
        return ENDING_DEADLINE;
    return strcmp(word, "idle") == 0 ? ENDING_IDLE : ENDING_COMPLETION;
}

static bool is_unschedulable(const struct tender *t)
{
    int64_t since_ms = t->s->unschedulable_since_ms;
    return since_ms > 0 && now_ms(t) - since_ms >= UNSCHEDULABLE_MS;
}

static bool was_just_refused(const struct tender *t)
{
    return t->s->refused_ms > 0 && now_ms(t) - t->s->refused_ms < REFUSED_PAUSE_MS;
}

/* Only an agent that can be asked can agree; the deadline needs nobody's word. */
static bool must_wait(const struct tender *t, const char *word)
{
    return cause_of(word) != ENDING_DEADLINE && (was_just_refused(t) || !t->s->pod_ready);
}

/* Ends the session when one of its rules says so; the tender is gone then. */
static void check_due(struct tender *t)
{
    int64_t in_ms;
    const char *word = session_due(t->s, now_ms(t), wall_ms(t), &in_ms);
    if (word && must_wait(t, word)) {
        timer_start(t->g->world, t->due_timer, REFUSED_PAUSE_MS, 0);
    } else if (word && cause_of(word) == ENDING_DEADLINE) {
        deadline_check_start(t->g, t->s);
        timer_start(t->g->world, t->due_timer, DEADLINE_AGAIN_MS, 0);
    } else if (word) {
        ending_start(t->g, t->s, cause_of(word));
    } else if (is_start_overdue(t) && t->s->pod_ready) {
        ending_start(t->g, t->s, ENDING_START_FAILED); /* its agent does not answer */
    } else if (t->s->pod_over && !remote_placement_may_come(t->g, t->s)) {
        ending_start(t->g, t->s, ENDING_POD_OVER); /* nobody came to move it */
    } else {
        if (is_unschedulable(t))
            start_check_start(t->g, t->s, DECISION_REASON_UNSCHEDULABLE);
        else if (is_start_overdue(t))
            start_check_start(t->g, t->s, DECISION_REASON_START_FAILED);
        int64_t look_ms = session_is_started(t->s) || in_ms < 1000 ? in_ms : 1000;
        timer_start(t->g->world, t->due_timer, look_ms > 1 ? look_ms : 1, 0);
    }
}

static void on_due_timer(void *user)
{
    check_due(user);
}

void tender_mend_deadline(struct tender *t)
{
    if (state_of(t) == TENDER_TENDING)
        mend_deadline(t);
}

void tender_poke(struct tender *t)
{
    bool reachable = t->s->pod_ready && *t->s->agent.host;
    if (state_of(t) == TENDER_WAITING && reachable) {
        fsm_move(&t->fsm, TENDER_STARTING);
        t->retry_ms = START_RETRY_FIRST;
        begin_call(t);
    } else if (state_of(t) == TENDER_STARTING && t->s->env && !t->call) {
        begin_call(t); /* a repeated create brought what was missing */
    }
    check_due(t);
}

void tender_start(struct gateway *g, struct session *s)
{
    if (s->remote) {
        remote_session_want(s); /* its own site tends it */
        return;
    }
    if (s->tender || s->ending || s->handover || session_is_over(s) || s->pod_gone)
        return;
    struct tender *t = mem_alloc(sizeof(*t));
    t->g = g;
    t->s = session_ref(s);
    t->begun_ms = world_now_ms(g->world);
    t->agreed_wall_ms = s->deadline_wall_ms;
    t->retry_ms = RETRY_FIRST_MS;
    t->copy_retry_ms = COPY_RETRY_FIRST_MS;
    t->due_timer = timer_new(g->world, on_due_timer, t);
    fsm_init(&t->fsm, &TENDER_FSM, TENDER_WAITING);
    t->verdict = STRAY_CHECK_NO;
    if (stray_check_needed(g, s) && !session_is_started(s)) {
        t->verdict = STRAY_CHECK_UNSETTLED;
        check_pod(t);
    }
    s->tender = t;
    /* What is remembered may be of before another gateway tended it. */
    s->activity.seq = 0;
    tender_poke(t);
}
