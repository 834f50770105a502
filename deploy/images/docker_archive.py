"""Images without an engine: folders as a docker archive of one layer, and what is in Spillway's own images.

Nothing in an archive depends on when or where it was made but its files: the same files are the same image.
"""
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

SANDBOX = 1000  # user and group of sandboxes, and of the gateways
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


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
    """folders: (source, name in the image, owner or None to keep owners and modes). What is ours everybody may read, whatever the
    builder's umask was."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as layer:
        for source, name, owner in folders:
            def own(entry, owner=owner):
                if owner is not None:
                    entry.uid = entry.gid = owner
                    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
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
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux", "created": "1970-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "User": user, "WorkingDir": "/", "Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest_of(layer)}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "spillway"}]}, sort_keys=True).encode()
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


def copy_program(program, root):
    """A program of this machine and the libraries that it needs."""
    program = Path(shutil.which(program))
    needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for source, target in [(program, f"bin/{program.name}"), *((word, word.lstrip("/")) for word in needed.split() if word.startswith("/"))]:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / target)


def of_programs(path, reference, programs, command, more=()):
    """Programs and their libraries, nothing else: no shell, no package manager. more: as write_archive's folders."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        for program in programs:
            copy_program(program, root)
        return write_archive(path, reference, [(root, ".", 0), *more], command, f"{SANDBOX}:{SANDBOX}")


def gateway(path, reference, program):
    """The certificates are for sites and package indexes whose authority is a public one."""
    return of_programs(path, reference, [program], ["/bin/spillway-gateway"], [(AUTHORITIES, str(AUTHORITIES).lstrip("/"), 0)])


def agent_carrier(path, reference, agent):
    """What the init container copies the agent's folder from, and `cp`."""
    return of_programs(path, reference, ["cp"], ["/spillway/agent"], [(agent, "spillway", 0)])


def environment(path, reference, rootfs, agent=None):
    """An environment's root file system; with the agent's folder baked in, if given."""
    folders = [(rootfs, ".", None)] + ([(agent, "spillway", 0)] if agent else [])
    return write_archive(path, reference, folders, ["/spillway/agent"], f"{SANDBOX}:{SANDBOX}")
