"""Every test of the contract runs against a real API server and against the embedded node, unless it says otherwise: `only` one of them,
or `also` against one more."""
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from driver import Driver  # noqa: E402
from forwarder import Forwarder  # noqa: E402
from servers import NodeServer, PagesServer, RealServer  # noqa: E402

MAKERS = {"apiserver": RealServer, "node": NodeServer, "pages": PagesServer}
USUAL = ["apiserver", "node"]


def pytest_configure(config):
    config.addinivalue_line("markers", "only(name): held against one of the two only; the table in docs/kubernetes.md says why")
    config.addinivalue_line("markers", "also(name): held against another one, too")


def pytest_generate_tests(metafunc):
    if "server" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        also = metafunc.definition.get_closest_marker("also")
        names = [only.args[0]] if only else USUAL + ([also.args[0]] if also else [])
        metafunc.parametrize("server", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def made():
    servers = {}
    yield servers
    for each in servers.values():
        each.close()


@pytest.fixture(scope="session")
def server(request, made):
    if request.param not in made:
        made[request.param] = MAKERS[request.param]()
    return made[request.param]


@pytest.fixture
def namespace(server):
    return server.new_namespace()


@pytest.fixture
def pods(namespace):
    """The collection's path."""
    return f"/api/v1/namespaces/{namespace}/pods"


@pytest.fixture
def drivers():
    """Closed behind the test, in order and without a leak."""
    found = []
    yield found
    for each in found:
        each.close()


@pytest.fixture
def make_driver(server, namespace, drivers):
    def make(**conf):
        drivers.append(server.driver(namespace, **conf))
        return drivers[-1]
    return make


@pytest.fixture
def driver(make_driver):
    return make_driver()


@pytest.fixture
def line(server):
    """Between client and server, to be cut, silenced and looked at."""
    forwarder = Forwarder(server.network, ("127.0.0.1", 6443))
    yield forwarder
    forwarder.close()


@pytest.fixture
def line_driver(server, namespace, line, drivers):
    drivers.append(server.driver(namespace, **server.access(namespace, server.url.replace("6443", str(line.port)))))
    return drivers[-1]


@pytest.fixture
def make_pod(server, namespace, driver):
    """Made by another hand than the client's under test."""
    def make(name, **labels):
        pod = driver.manifest(session_id=name, namespace=namespace)
        pod["metadata"]["labels"].update(labels)
        return server.api.create(pod).expect(201).json()
    return make


@pytest.fixture
def make_pods(server, namespace, driver):
    """p-0, p-1 …"""
    def make(count):
        pod = driver.manifest(session_id="p", namespace=namespace)
        server.api.create_all({**pod, "metadata": {**pod["metadata"], "name": f"p-{number}"}} for number in range(count))
    return make


@pytest.fixture
def plain_driver(drivers):
    """Against anything on the host's loopback interface."""
    def make(**conf):
        drivers.append(Driver(**conf))
        return drivers[-1]
    return make
