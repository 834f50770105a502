"""bench.json and bench.md."""
import json

GOALS = {
    "status": "≤ 1.0", "proxied": "≤ 1.0", "warm_python": "p50 ≤ 4 ms", "warm_nodejs": "p50 ≤ 8 ms", "cold": "p50 ≤ 80 ms",
    "burst": "≤ 1500 ms", "create": "≤ 5 ms", "result": "≤ 1 ms", "memory": "≤ 4 KiB a session over 4 MiB", "agent_rss": "≤ 3 MiB", "agent_start": "≤ 3 ms",
}


def quartiles(q, digits=2):
    return f"{q['median']:.{digits}f} ({q['q1']:.{digits}f}–{q['q3']:.{digits}f})"


def paired_rows(paired):
    yield "| what | ours, µs CPU a request | peer, µs | ratio | pairs won | sign test | goal |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in paired.items():
        goal = GOALS.get(name.split(" ")[0], "")
        yield (f"| {name} | {quartiles(row['ours_us'])} | {quartiles(row['peer_us'])} | {quartiles(row['ratio'], 3)} | "
               f"{row['pairs_won']} of {row['pairs']} | p = {row['sign_test_p']:.2g} | {goal} |")


def instruction_rows(counted):
    yield "| what | ours, instructions a request | nginx | ratio |"
    yield "|---|---|---|---|"
    for name, row in counted.items():
        yield f"| {name} | {row['ours']:.0f} | {row['nginx']:.0f} | {row['ours'] / row['nginx']:.3f} |"


def latency_rows(rows):
    yield "| what | n | p50 ms | p90 ms | p99 ms | min ms | max ms | refused |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, r in rows.items():
        yield (f"| {name} | {r['count']} | {r['p50_ms']:.2f} | {r['p90_ms']:.2f} | {r['p99_ms']:.2f} | {r['min_ms']:.2f} | "
               f"{r['max_ms']:.2f} | {r.get('refused', 0)} |")


def remote_rows(remote):
    yield "| what | through our gateway, ms: p50 (p90, least) | straight at the site | added, ms: median of pairs | goal |"
    yield "|---|---|---|---|---|"
    for name, r in remote["rows"].items():
        through, straight = (f"{r[way]['p50_ms']:.2f} ({r[way]['p90_ms']:.2f}, {r[way]['min_ms']:.2f})" for way in ("through", "straight"))
        yield f"| {name} | {through} | {straight} | {quartiles(r['added_ms'])} | {GOALS['create'] if name == 'create' else GOALS['result']} |"
    cpu = remote["status_cpu_us"]
    yield f"\nWhile statuses were polled, µs CPU a poll: gateway here {cpu['local']:.0f}, gateway there {cpu['cloud']:.1f}"


def markdown(data):
    conditions = data["conditions"]
    yield "# Measurements\n"
    yield ", ".join(f"{key} {value}" for key, value in conditions.items()) + "\n"
    yield ", ".join(f"{key}: {value}" for key, value in data["versions"].items()) + "\n"
    if data.get("paired"):
        yield "## CPU per request, alternating pairs (median and quartiles)\n"
        yield from paired_rows(data["paired"])
        yield ""
    if data.get("instructions"):
        yield "## Instructions per request (user mode, callgrind)\n"
        yield from instruction_rows(data["instructions"])
        for name, row in data["instructions"].items():
            yield f"\nWhere ours go, {name}:\n```"
            yield from row["top"]
            yield "```"
        yield ""
    if data.get("latency"):
        yield "## Executions and sessions as a client sees them, through nginx\n"
        yield from latency_rows(data["latency"])
        yield ""
    if data.get("transfer"):
        yield "100 MB, the fastest: " + ", ".join(f"{way} {speed} MB/s" for way, speed in data["transfer"].items()) + "\n"
    if data.get("cold"):
        yield f"{data['cold']['burst']} sessions at once: all ready after {data['cold']['burst_all_ready_ms']:.0f} ms (goal {GOALS['burst']})\n"
    if data.get("remote"):
        yield "## Sessions at another site, alternating pairs\n"
        yield from remote_rows(data["remote"])
        yield ""
    for profile, row in data.get("kubernetes", {}).items():
        yield (f"Kubernetes, {profile}: {row['writes_a_session']:.1f} writes and {row['reads_a_session']:.1f} reads a session asked of the API "
               f"server, besides the watch ({row['sessions']} sessions; goal: 4 and 0)\n")
    if data.get("memory"):
        m = data["memory"]
        yield (f"Memory: gateway {m['gateway_kib']} KiB private dirty, {m['per_session_kib']:.1f} KiB more for each of {m['sessions']} sessions "
               f"(goal {GOALS['memory']}); agent RSS {m['agent_rss_kib']} KiB (goal {GOALS['agent_rss']})\n")


def write(data, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    text = "\n".join(markdown(data)) + "\n"
    (folder / "bench.md").write_text(text)
    return text
