"""Processes as /proc shows them. A process is (pid, start time), so that a pid used again is not taken for the old one."""
import os
import signal


def stat_fields(pid):
    """Fields of /proc/PID/stat behind the name: [0] is the state, [1] the parent. None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def identity(pid):
    fields = stat_fields(pid)
    return None if fields is None else (pid, int(fields[19]))


def memory(entries):
    """Bytes of their own that these programs of a state.json hold."""
    return [int(status_field(entry["pid"], "RssAnon").split()[0]) * 1024 for entry in entries]


def alive(process):
    """Runs, or is stopped; a zombie is not alive."""
    fields = stat_fields(process[0])
    return fields is not None and int(fields[19]) == process[1] and fields[0] not in "ZX"


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(root):
    children = {}
    for pid in pids():
        fields = stat_fields(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found, queue = [], [root]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def describe(pid):
    line = read(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return f"{pid} {line[:160]}"


def namespace(pid, kind="net"):
    try:
        return os.stat(f"/proc/{pid}/ns/{kind}").st_ino
    except OSError:
        return None


def kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def status_field(pid, name):
    for line in read(pid, "status").decode().splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    return None


def listening_ports(pid):
    """TCP ports that this process listens on in its own network namespace."""
    inodes = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        pass
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in read(pid, "net/" + table).decode().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
