"""Two sites, one Prometheus, and a story: everything that can go wrong goes wrong once, while Prometheus looks."""
import os
import sys
import urllib.parse

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

from harness.site import Site  # noqa: E402
from server import Prometheus  # noqa: E402
from story import Story  # noqa: E402


@pytest.fixture(scope="session")
def site():
    site = Site(slots=4, gateways=2, restart=False, sites="local,cloud")
    site.arguments += ["--cloud-slots", "4"]
    try:
        site.start()
        yield site
    finally:
        try:
            site.stop()
            site.check_nothing_left()
        finally:
            site.forget()


@pytest.fixture(scope="session")
def prometheus(site):
    targets = {name: [urllib.parse.urlsplit(gateway["admin_url"]).netloc for gateway in parts["gateways"]]
               for name, parts in site.state()["sites"].items()}
    server = Prometheus(targets)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def story(site, prometheus):
    told = Story(site, prometheus)
    told.tell()
    return told
