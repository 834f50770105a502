"""What schemathesis has to know of Spillway beside its description."""
import os

import schemathesis

SESSIONS = os.environ["SCHEMA_SESSIONS"].split(",")  # living ones, so that calls get further than 404
LANGUAGES = ("python", "bash", "nodejs")
WAIT_MAX = 1  # long-polls are tested elsewhere
ANSWERS_OF_FULL = ("capacity_full", "session_not_ready", "unavailable")


@schemathesis.check
def no_server_error(ctx, response, case):
    """A site that is full says so with 503 and when to come back; that is an answer, any other 5xx is a fault."""
    if response.status_code < 500:
        return
    try:
        code = response.json()["code"]
    except (ValueError, KeyError):
        code = None
    temporary = "retry-after" in {name.lower() for name in response.headers}
    full = response.status_code == 503 and code in ANSWERS_OF_FULL and temporary
    # A session that another call has just ended: its pod goes while this call is on the way to it.
    going = response.status_code == 502 and code == "upstream_failed" and temporary and (case.path_parameters or {}).get("id") not in SESSIONS
    assert full or going, f"{response.status_code} {code}"


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    """Every second time a session that lives, and a language that it has."""
    if not path_parameters:
        return path_parameters
    chosen = hash(str(sorted(path_parameters.items(), key=str)))
    if "id" in path_parameters and chosen % 2 == 0:
        path_parameters["id"] = SESSIONS[chosen // 2 % len(SESSIONS)]
    if "language" in path_parameters and chosen % 4 < 3:
        path_parameters["language"] = LANGUAGES[chosen // 4 % len(LANGUAGES)]
    return path_parameters


@schemathesis.hook
def map_query(ctx, query):
    if query and isinstance(query.get("wait"), int) and query["wait"] > WAIT_MAX:
        query["wait"] = WAIT_MAX
    return query


@schemathesis.hook
def filter_case(ctx, case):
    """The living sessions stay: what ends one is called with other ids."""
    method, path = case.operation.method.lower(), case.operation.path
    ends = method == "delete" and path in ("/{id}", "/api/v1/sessions/{id}")
    shortens = method == "post" and path.endswith("/extend")  # a second from now is a deadline like any other
    return not ((ends or shortens) and (case.path_parameters or {}).get("id") in SESSIONS)
