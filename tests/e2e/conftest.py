"""Fixtures: sites started by ./run, one of 8 and one of 64 slots, each for as long as tests use it."""
import contextlib
import os
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness.api_proxy import ApiProxy  # noqa: E402
from harness.hybrid import Hybrid  # noqa: E402
from harness.session import Session  # noqa: E402
from harness.site import Site  # noqa: E402
from harness.wait import until  # noqa: E402


def shut(site):
    """Down again; a site that leaves something behind is an error of the run."""
    try:
        site.stop()
        site.check_nothing_left()
    finally:
        site.forget()


def up(**how):
    site = Site(**how)
    try:
        return site.start()
    except BaseException:
        site.stop()
        sys.stderr.write(site.log()[-6000:])
        site.forget()
        raise


@pytest.fixture(scope="session")
def shared_site():
    site = up(slots=8, gateways=3)
    yield site
    shut(site)


@pytest.fixture
def site(shared_site):
    """The site with 8 slots; what a test leaves running there is removed behind it."""
    shared_site.wait_known()
    yield shared_site
    for name in set(shared_site.node().sessions()) - shared_site.kept:
        shared_site.client.delete(f"/{name}")
    end = time.monotonic() + 15  # the next test counts slots
    while set(shared_site.node().sessions()) - shared_site.kept and time.monotonic() < end:
        time.sleep(0.05)


@pytest.fixture(scope="session")
def big_site():
    """64 slots, for load."""
    site = up(slots=64, gateways=3)
    yield site
    shut(site)


@pytest.fixture
def small_site():
    """Four slots and a launcher that lets the dead lie, for one test alone."""
    site = up(slots=4, gateways=2, restart=False)
    yield site
    shut(site)


@pytest.fixture
def small_site_with_restart():
    site = up(slots=4, gateways=2)
    yield site
    shut(site)


def shut_both(hybrid):
    """Down again; every program ended as it was asked to, and nothing is left."""
    try:
        status = hybrid.stop()
        assert status == 0, f"./run ended with {status}:\n{hybrid.log()[-3000:]}"
        hybrid.check_nothing_left()
    finally:
        hybrid.forget()


@contextlib.contextmanager
def opened(hybrid):
    """Two sites, up and open; down behind it."""
    try:
        hybrid.start()
        hybrid.wait_open()
        hybrid.wait_complete()
        yield hybrid
    finally:
        shut_both(hybrid)


@pytest.fixture(scope="module")
def sites():
    """Two sites: the local one with room for two, and the cloud."""
    with opened(Hybrid()) as hybrid:
        yield hybrid


@pytest.fixture
def emptied(sites):
    """Behind a test: the way to the cloud is whole, and no session is left."""
    yield
    try:
        sites.heal()
    finally:
        sites.empty()


@pytest.fixture
def api(site):
    """The Kubernetes API of the shared site, to be spoiled; every gateway watches pods and nodes through it."""
    with ApiProxy(site.entry("node")["pid"]) as proxy:
        until(lambda: len(proxy.streams) == 2 * len(site.gateways), 120, "every gateway watches through the proxy")
        yield proxy


@pytest.fixture
def client(site):
    return site.client


@pytest.fixture
def make_session(client):
    """make_session(**create) -> a ready Session; all are ended behind the test."""
    made = []

    def make(session_id=None, form="short", ready=True, **body):
        session = Session(client, session_id, form)
        made.append(session)
        session.create(**body)
        if ready:
            session.wait_ready()
        return session

    yield make
    for session in made:
        session.delete()


@pytest.fixture
def session(make_session):
    """A ready session that stays until it is deleted."""
    return make_session(cleanup="idle")


@pytest.fixture(scope="module")
def shared_session(shared_site):
    """One ready session for tests that only read or run small code."""
    session = Session(shared_site.client)
    shared_site.kept.add(session.id)
    session.start(cleanup="idle", idle_timeout_seconds=600)
    yield session
    shared_site.kept.discard(session.id)
    session.end()


def pytest_terminal_summary(terminalreporter):
    """Figures are recorded, not asserted; here they can be read."""
    figures = [(report.head_line, name, value) for report in terminalreporter.getreports("passed")
               for name, value in report.user_properties]
    if figures:
        terminalreporter.section("figures")
        for test, name, value in figures:
            terminalreporter.write_line(f"{test}: {name}: {value}")
