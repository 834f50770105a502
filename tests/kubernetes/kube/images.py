"""Images without an engine: a folder, or a few files, as a docker archive of one layer."""
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PAUSE_SOURCE = Path(__file__).with_name("pause.c")
REGISTRY = "spillway.test"  # never asked: what is not imported is not there
SANDBOX = 1000


def cache():
    return Path(os.environ.get("SPILLWAY_CACHE_DIR") or "/var/cache/spillway") / "kubernetes" / "images"


def digest_of(path):
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            total.update(piece)
    return total.hexdigest()


def normal(entry):
    entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def write_layer(path, folders):
    """folders: (source, name in the image, owner or None to keep the owners)."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as layer:
        for source, name, owner in folders:
            def own(entry, owner=owner):
                if owner is not None:
                    entry.uid = entry.gid = owner
                return normal(entry)
            layer.add(source, arcname=name, filter=own)


def add_text(archive, name, text):
    entry = tarfile.TarInfo(name)
    entry.size = len(text)
    archive.addfile(entry, io.BytesIO(text))


def write_archive(path, reference, folders, command, user=""):
    """Whole or not at all: the archive appears under its name when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layer, whole = (path.with_name(f".{path.name}.{os.getpid()}.{part}") for part in ("layer", "tar"))
    try:
        write_layer(layer, folders)
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "User": user, "WorkingDir": "/", "Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest_of(layer)}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "spillway tests"}]}, sort_keys=True).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).encode()
        with tarfile.open(whole, "w") as archive:
            add_text(archive, "manifest.json", manifest)
            add_text(archive, name, config)
            archive.add(layer, arcname="layer.tar", filter=normal)
        whole.rename(path)
    finally:
        layer.unlink(missing_ok=True)
        whole.unlink(missing_ok=True)
    return path


def key_of(*parts):
    return hashlib.sha256("\n".join(map(str, (Path(__file__).read_text(), *parts))).encode()).hexdigest()[:12]


def pause():
    """The process that holds a pod's namespaces."""
    path = cache() / f"pause-{key_of(PAUSE_SOURCE.read_text())}.tar"
    if path.exists():
        return path
    program = path.with_name(f".pause.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["cc", "-Os", "-static", "-s", "-o", program, PAUSE_SOURCE], check=True)
        return write_archive(path, f"{REGISTRY}/pause:1", [(program, "pause", 0)], ["/pause"], "65535:65535")
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
    """An environment's root file system under the name that environments.yaml gives it; with the agent's folder baked in, if given."""
    rootfs = Path(rootfs)
    folders = [(rootfs, ".", None)]
    key = rootfs.parent.name
    if agent:
        folders.append((Path(agent), "spillway", 0))
        key = f"{key}-{digest_of_folder(Path(agent))}"
    path = cache() / f"{name}-{tag}-{key_of(key)}.tar"
    reference = f"docker.io/spillway/{name}:{tag}"
    return path if path.exists() else write_archive(path, reference, folders, ["/spillway/agent"], f"{SANDBOX}:{SANDBOX}")


def copy_program(name, root):
    """One of the machine's own programs and the libraries that it needs."""
    program = shutil.which(name)
    needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for source, target in [(program, f"bin/{name}"), *((word, word.lstrip("/")) for word in needed.split() if word.startswith("/"))]:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / target)


def agent_carrier(agent):
    """spillway/agent: what the init container copies the agent from, and `cp`."""
    path = cache() / f"agent-{key_of(digest_of_folder(Path(agent)))}.tar"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        copy_program("cp", root)
        return write_archive(path, "docker.io/spillway/agent:latest", [(root, ".", 0), (Path(agent), "spillway", 0)], ["/spillway/agent"],
                             f"{SANDBOX}:{SANDBOX}")
