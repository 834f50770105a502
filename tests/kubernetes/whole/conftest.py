"""A site of ./run --kubernetes, and the cluster under it to break."""
import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(TESTS / "kubernetes/api"), str(TESTS / "kubernetes"), str(TESTS / "e2e")]
os.environ["SPILLWAY_E2E_KUBERNETES"] = "1"

from harness.session import Session  # noqa: E402
from harness.site import Site  # noqa: E402
from kube import cluster as clusters  # noqa: E402


@pytest.fixture(scope="session")
def shared_site():
    site = Site(slots=4, gateways=2)
    try:
        site.start()
    except BaseException:
        site.stop()
        sys.stderr.write(site.log()[-6000:])
        site.forget()
        raise
    yield site
    try:
        site.stop()
        site.check_nothing_left()
    finally:
        site.forget()


@pytest.fixture(scope="session")
def cluster(shared_site):
    return clusters.load(shared_site.entry("node")["cluster"])


@pytest.fixture(scope="session")
def api(cluster):
    return cluster.api()


@pytest.fixture
def site(shared_site, api):
    """Empty before and after each test."""
    yield shared_site
    for name in shared_site.node().sessions():
        shared_site.client.delete(f"/{name}")
    clusters.wait_until(lambda: not shared_site.node().sessions(), "the sessions are gone", 60)


@pytest.fixture
def client(site):
    return site.client


@pytest.fixture
def session(client):
    return Session(client).start(cleanup="idle", idle_timeout_seconds=300)


@pytest.fixture
def figure(request):
    """Recorded, not asserted; shown at the end."""
    return lambda name, value: request.node.user_properties.append((name, value))


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
