"""kill -9 of the launcher, then another start: nothing of the first is left."""
import os
import signal
import subprocess

from harness import processes
from harness.client import Client
from harness.session import Session
from harness.site import UP, Site
from harness.wait import until
from test_launcher_stop import preset, put_under_way


def test_what_a_killed_launcher_left_is_gone_after_the_next_start():
    first = Site(slots=4, gateways=2)
    second = Site(slots=4, gateways=2)
    try:
        first.start()
        put_under_way(first)
        first.observe()
        os.kill(first.launcher.pid, signal.SIGKILL)
        first.launcher.wait()
        done = subprocess.run([second.arguments[0], "--once"] + preset(second), env=second.environment, cwd="/",
                              capture_output=True, text=True, timeout=UP, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        first.check_nothing_left()
        second.check_nothing_left()
    finally:
        for site in (first, second):
            site.stop()
            site.forget()


def test_what_dies_is_restarted_and_said(small_site_with_restart):
    site = small_site_with_restart
    session = Session(site.client).start(cleanup="idle")
    for part in ("redis", "nginx", site.gateways[0]["name"], "node"):
        site.wait_restarted(part, site.kill(part))
    session.client.close()  # to the nginx that died
    assert session.run("print('still')")["stdout"] == "still\n"
    assert site.launcher.poll() is None
    assert site.log().count("started again") >= 4, site.log()[-2000:]


def test_two_runs_at_the_same_time_do_not_meet(small_site_with_restart):
    other = Site(slots=4, gateways=1)
    try:
        other.start()
        one = Session(small_site_with_restart.client).start(cleanup="idle")
        two = Session(other.client, one.id).start(cleanup="idle")
        one.run("open('/workspace/x', 'w').write('one')")
        assert two.run("import os\nprint(os.listdir('/workspace'))")["stdout"] == "[]\n"
        other.stop()
        other.check_nothing_left()
        assert one.run("print(open('/workspace/x').read())")["stdout"] == "one\n"
    finally:
        other.stop()
        other.forget()


def test_with_restart_off_the_dead_stay_dead(small_site):
    pid = small_site.kill(small_site.gateways[0]["name"])
    until(lambda: not processes.stat_fields(pid) or processes.stat_fields(pid)[0] == "Z", 10, "dead")
    client = Client(small_site.url)
    session = Session(client).start(cleanup="idle")  # the other gateway does it
    assert session.run("print(1)")["stdout"] == "1\n"
    assert small_site.gateways[0]["pid"] in (pid, None, 0)
