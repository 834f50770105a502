"""The images of a test cluster: Spillway's own (deploy/images) and the pod's pause, made once and kept."""
import hashlib
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[3] / "deploy/images"))

import docker_archive  # noqa: E402

PAUSE_SOURCE = Path(__file__).with_name("pause.c")
REGISTRY = "spillway.test"  # never asked: what is not imported is not there


def cache():
    return Path(os.environ.get("SPILLWAY_CACHE_DIR") or "/var/cache/spillway") / "kubernetes" / "images"


def key_of(*parts):
    text = "\n".join(map(str, (Path(docker_archive.__file__).read_text(), *parts)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def pause():
    """The process that holds a pod's namespaces."""
    path = cache() / f"pause-{key_of(PAUSE_SOURCE.read_text())}.tar"
    if path.exists():
        return path
    program = path.with_name(f".pause.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["cc", "-Os", "-static", "-s", "-o", program, PAUSE_SOURCE], check=True)
        return docker_archive.write_archive(path, f"{REGISTRY}/pause:1", [(program, "pause", 0)], ["/pause"], "65535:65535")
    finally:
        program.unlink(missing_ok=True)


def digest_of_folder(folder):
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(f"{path.relative_to(folder)} {path.stat().st_mode}\n".encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


def environment(name, rootfs, agent=None, tag="latest"):
    """An environment under the name that environments.yaml gives it; with the agent's folder baked in, if given."""
    rootfs = Path(rootfs)
    key = f"{rootfs.parent.name}-{digest_of_folder(Path(agent))}" if agent else rootfs.parent.name
    path = cache() / f"{name}-{tag}-{key_of(key)}.tar"
    return path if path.exists() else docker_archive.environment(path, f"docker.io/spillway/{name}:{tag}", rootfs, agent)


def agent_carrier(agent):
    """spillway/agent: what the init container copies the agent from."""
    path = cache() / f"agent-{key_of(digest_of_folder(Path(agent)))}.tar"
    return path if path.exists() else docker_archive.agent_carrier(path, "docker.io/spillway/agent:latest", agent)
