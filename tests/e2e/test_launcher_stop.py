"""./run ends and leaves the machine as it was."""
import re
import signal
import subprocess

import pytest
from harness.session import Session
from harness.site import UP, Site


@pytest.fixture
def own_site():
    site = Site(slots=4, gateways=2)
    yield site
    site.stop()
    site.forget()


def put_under_way(site):
    """A session that idles, one that runs code, and one that is being created."""
    idle, busy, young = (Session(site.client) for _ in range(3))
    idle.start(cleanup="idle")
    busy.start(cleanup="idle")
    busy.submit("import time\ntime.sleep(100)", timeout_seconds=200)
    site.observe()
    young.create()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_end_in_the_middle_of_work_leaves_nothing(own_site, sig):
    own_site.start()
    put_under_way(own_site)
    own_site.interrupt(sig)
    own_site.check_nothing_left()


def test_once_shows_every_step_prints_its_table_and_leaves_nothing(own_site):
    done = subprocess.run([own_site.arguments[0], "--once"] + preset(own_site), env=own_site.environment, cwd="/",
                          capture_output=True, text=True, timeout=UP, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"^\s*session\b.*\bsite\b", done.stdout, re.M | re.I), "no table:\n" + done.stdout[-3000:]
    assert "503" in done.stdout or "full" in done.stdout, done.stdout[-3000:]
    own_site.check_nothing_left()


def preset(site):
    return site.arguments[site.arguments.index("--preset"):] if "--preset" in site.arguments else []
