import os

import pytest
from node_process import Node, make_root


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("root")
    for folder in (path, *list(path.parents)[:2]):
        os.chmod(folder, 0o755)  # pods are not root
    make_root(path)
    return path


@pytest.fixture
def make_node(root):
    made = []

    def make(**settings):
        made.append(Node(root, **settings))
        return made[-1]
    yield make
    for node in made:
        node.destroy()


@pytest.fixture
def node(make_node):
    return make_node()
