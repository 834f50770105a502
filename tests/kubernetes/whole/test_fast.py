"""The profile fast: no volume, the agent in the image, the workspace in the container's own layer."""
import pytest
from harness.session import Session
from harness.site import Site

WRITE = """import os
for place in ('/workspace', '/tmp', '/home/sandbox', '/dev/shm', '/var/tmp', '/etc', '/spillway'):
    try:
        open(place + '/made', 'w').write('x')
        print(place, 'written')
    except OSError as error:
        print(place, error.errno)
"""


@pytest.fixture(scope="module")
def fast_site():
    site = Site(slots=2, gateways=1)
    site.arguments += ["--profile", "fast"]
    try:
        site.start()
        yield site
        assert site.stop() == 0, site.log()[-3000:]
        site.check_nothing_left()
    finally:
        site.stop()
        site.forget()


def test_fast_profile(fast_site, figure):
    session = Session(fast_site.client).start(cleanup="idle")
    pod = fast_site.node().pod(session.id)
    container = pod["spec"]["containers"][0]
    assert not pod["spec"].get("volumes") and not container.get("volumeMounts") and not pod["spec"].get("initContainers")
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert container["resources"]["limits"]["ephemeral-storage"] == "67108864"
    written = dict(line.split() for line in session.run(WRITE)["stdout"].splitlines())
    assert written == {"/workspace": "written", "/tmp": "written", "/home/sandbox": "written", "/dev/shm": "written",
                       "/var/tmp": "13", "/etc": "13", "/spillway": "13"}, written
    assert session.run("print(open('/workspace/made').read())")["stdout"] == "x\n"


def test_workspace_above_its_limit(fast_site):
    """The kubelet looks every few seconds, and evicts: the node's disk is not for one session."""
    session = Session(fast_site.client).start(cleanup="idle")
    session.submit("import time\nopen('/workspace/big', 'wb').write(b'x' * (200 << 20))\ntime.sleep(300)", timeout_seconds=300)
    ended = session.wait_ended(seconds=180)
    # Which one depends on what is heard first: the agent's end, or the pod's word of it.
    assert ended["status"] == "error" and ended["reason"] in ("evicted", "agent_lost"), ended
    events = fast_site.node().get("/api/v1/namespaces/sandboxes/events").expect(200).json()["items"]
    assert any(each["reason"] == "Evicted" and each["involvedObject"]["name"] == session.id for each in events), events
