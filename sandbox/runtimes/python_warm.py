"""Forks a process for every run: the server behind `warm: fork`. serve() returns in a run's own process, made ready as a cold
start would have made it: arguments, folder, environment, descriptors 0 to 3, session, walls. What it returns ends the run.

Told on descriptor 4: first the filter, with LEADER_MARK where a leader's number belongs; then a message a run (warm_message.h)
with the descriptors of its pipes. A run is two processes, as in sandbox/launcher.c: a leader, which is a child of the agent
and a subreaper, and the code below it. Single-threaded, and imports nothing that a cold start has not: what is in sys.modules
here cannot be shadowed by the user's files any more. Hence _ctypes and _socket, but not ctypes and socket.
"""
import gc
import os
import sys

CONTROL = 4
MESSAGE_MAX = 256 * 1024
DESCRIPTORS_MAX = 4096
LEADER_MARK = 0x5A17C0DE
REPORT_EXITED, REPORT_FAILED, REPORT_LED = 1, 2, 3
STEP_FORK, STEP_CWD, STEP_FILTER = 0, 1, 2
CLONE_PARENT, SIGCHLD, SIGKILL = 0x8000, 17, 9
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER = 1, 4, 15, 22, 36
SYS_CLONE = {"x86_64": 56, "aarch64": 220}


def native_calls():
    """libc's prctl() and syscall()."""
    import _ctypes

    libc = _ctypes.dlopen(None, 2)
    call = _ctypes.call_function
    addresses = {name: _ctypes.dlsym(libc, name) for name in ("prctl", "syscall")}
    return lambda name, *args: call(addresses[name], args)


def little(value):
    return (value & 0xFFFFFFFF).to_bytes(4, "little")


class Server:
    def __init__(self):
        import _signal
        import _socket

        self.signal = _signal
        self.native = native_calls()
        self.control = _socket.socket(fileno=CONTROL)
        self.agent = os.getppid()
        self.native("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
        self.comm = os.path.basename(sys.executable).encode()[:15]
        self.native("prctl", PR_SET_NAME, b"warm", 0, 0, 0)
        self.filter = self.control.recv(MESSAGE_MAX)
        self.clone_call = SYS_CLONE[os.uname().machine]
        self.signals = _signal.valid_signals()

    def receive(self):
        """The next run: its texts and descriptors (in, out, err, value, report)."""
        data, control, _, _ = self.control.recvmsg(MESSAGE_MAX, 64)
        if not data:
            os._exit(0)
        array = control[0][2]
        return data.split(b"\0")[:-1], [int.from_bytes(array[i:i + 4], "little") for i in range(0, len(array), 4)]

    def fork_leader(self):
        """True in the leader. It is the agent's child at once, or, where the kernel does not know CLONE_PARENT, as an orphan."""
        pid = self.native("syscall", self.clone_call, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)
        if pid >= 0:
            return pid == 0
        middle = os.fork()
        if middle > 0:
            os.waitpid(middle, 0)
            return False
        if os.fork() > 0:
            os._exit(0)
        while os.getppid() not in (1, self.agent):
            os.sched_yield()
        return True

    def lead(self, fds):
        """The leader: returns in the code's process only."""
        report = fds[-1]
        os.setsid()
        self.signal.pthread_sigmask(self.signal.SIG_SETMASK, self.signals)
        self.native("prctl", PR_SET_NAME, b"leader", 0, 0, 0)
        self.native("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.native("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() != self.agent:
            os._exit(1)
        tell(report, REPORT_LED, os.getpid())
        leader = os.getpid()
        try:
            code = os.fork()
        except OSError as error:
            tell(report, REPORT_FAILED, error.errno, STEP_FORK)
            os._exit(127)
        if code == 0:
            self.native("prctl", PR_SET_PDEATHSIG, 0, 0, 0, 0)
            return leader
        os.dup2(report, 3)
        for fd in range(3):
            os.close(fd)
        os.closerange(4, DESCRIPTORS_MAX)
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                os._exit(0)
            if pid == code:
                tell(3, REPORT_EXITED, status, 0, is_alone())

    def become_code(self, texts, fds, leader):
        """What launcher.c does between fork and exec, and exec itself would have done."""
        report = fds[-1]
        os.setsid()
        for to, fd in enumerate(fds[:-1]):
            os.dup2(fd, to, to < 3)
        try:
            os.chdir(texts[0])
        except OSError as error:
            give_up(report, STEP_CWD, error.errno)
        walls = self.filter.replace(little(LEADER_MARK), little(leader)).replace(little(-LEADER_MARK), little(-leader))
        program = (len(walls) // 8).to_bytes(8, "little") + (id(walls) + bytes.__basicsize__ - 1).to_bytes(8, "little")
        if self.native("prctl", PR_SET_SECCOMP, 2, program, 0, 0) != 0:
            give_up(report, STEP_FILTER, 1)
        self.native("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
        self.native("prctl", PR_SET_NAME, self.comm, 0, 0, 0)
        self.signal.pthread_sigmask(self.signal.SIG_SETMASK, ())
        self.control.detach()
        os.closerange(4, DESCRIPTORS_MAX)
        count = int(texts[1])
        os.environb.clear()
        for pair in texts[2 + count:]:
            name, _, value = pair.partition(b"=")
            os.environb[name] = value
        args = [os.fsdecode(text) for text in texts[2:2 + count]]
        sys.orig_argv[-1:] = args
        sys.argv[1:] = args
        refresh_user_site()


def tell(report, kind, value, step=0, alone=0):
    try:
        os.write(report, b"".join(little(v) for v in (kind, value, step, alone)))
    except OSError:
        os._exit(1)  # nobody wants this run any more


def give_up(report, step, number):
    tell(report, REPORT_FAILED, number, step)
    os._exit(127)


def is_alone():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 1
    return 0


def refresh_user_site():
    """What was installed for the user since this interpreter started."""
    site = sys.modules.get("site")
    if site and site.ENABLE_USER_SITE and site.USER_SITE not in sys.path and os.path.isdir(site.USER_SITE):
        site.addsitedir(site.USER_SITE)


class Ending:
    """The end of a run without taking the whole interpreter apart, which costs more than most runs, and which nobody sees where
    the code left nothing behind that the end of an interpreter would have to see to."""

    def __init__(self):
        import atexit
        import builtins

        self.callbacks = atexit._ncallbacks
        self.modules = set(sys.modules)
        self.places = [(vars(m), dict(vars(m))) for m in (sys, builtins)]
        self.library = os.path.dirname(os.__file__) + os.sep

    def is_plain(self, main):
        if self.callbacks() > 0 or "threading" in sys.modules or sys.modules.get("__main__") is not main:
            return False
        for now, before in self.places:
            if any(now.get(name) is not value for name, value in before.items() if name not in self.MAY_CHANGE):
                return False
            if len(now) != len(before):
                return False
        for name in sys.modules.keys() - self.modules:
            file = getattr(sys.modules[name], "__file__", None) or self.library
            if not file.startswith(self.library) or "-packages" in file:
                return False
        return True

    MAY_CHANGE = ("argv", "orig_argv", "path", "_")

    def end(self, main, code):
        """Does not return where it may be quick about it."""
        if not self.is_plain(main):
            return
        scope = vars(main)
        for private in (True, False):
            for name in list(scope):
                if name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") == private:
                    scope[name] = None
        gc.collect()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def serve(prepare):
    """`prepare` does once what every run would do for the first time."""
    server = Server()
    prepare()
    ending = Ending()
    gc.collect()
    gc.freeze()
    server.control.send(b"R")
    while True:
        texts, fds = server.receive()
        if server.fork_leader():
            leader = server.lead(fds)
            server.become_code(texts, fds, leader)
            return ending.end
        for fd in fds:
            os.close(fd)
