"""Forks a process for every run, before it is known what it shall run: the server behind `warm: fork`. serve() returns in a
run's own process, made ready as a cold start would have made it: arguments, folder, environment, descriptors 0 to 3, session,
walls. What it returns ends the run.

Told on descriptor 4: first the filter, with LEADER_MARK where a leader's number belongs; then a message for each process that
is wanted, with the descriptors of its pipes and a socket (warm_spare.h). Two processes come of it, as in sandbox/launcher.c: a
leader, which is a child of the agent and a subreaper, and below it the code, which waits on that socket for what to run
(warm_message.h). Single-threaded, and imports nothing that a cold start has not: what is in sys.modules here cannot be shadowed
by the user's files any more. Hence _ctypes and _socket, but not ctypes and socket.
"""
import gc
import os
import sys

CONTROL, REPORT = 4, 5
MESSAGE_MAX = 256 * 1024
DESCRIPTORS_MAX = 4096
LEADER_MARK = 0x5A17C0DE
REPORT_EXITED, REPORT_FAILED, REPORT_LED = 1, 2, 3
STEP_FORK, STEP_CWD = 0, 1
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
        self.native("prctl", PR_SET_NAME, b"warm", 0, 0, 0)
        self.filter = self.control.recv(MESSAGE_MAX)
        self.clone_call = SYS_CLONE[os.uname().machine]
        self.signals = _signal.valid_signals()

    def receive(self):
        """The descriptors of the next one: in, out, err, value, report, control."""
        data, control, _, _ = self.control.recvmsg(64, 64)
        if not data:
            os._exit(0)
        array = control[0][2]
        return [int.from_bytes(array[i:i + 4], "little") for i in range(0, len(array), 4)]

    def is_leader(self):
        """Forks the leader: True in it. Where there is no process to be had the agent sees its sockets closed."""
        try:
            return self.fork_leader()
        except OSError:
            return False

    def fork_leader(self):
        """It is the agent's child at once, or, where the kernel does not know CLONE_PARENT, as an orphan."""
        pid = self.native("syscall", self.clone_call, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)
        if pid >= 0:
            return pid == 0
        middle = os.fork()
        if middle > 0:
            os.waitpid(middle, 0)
            return False
        try:
            if os.fork() > 0:
                os._exit(0)
        except OSError:
            os._exit(1)
        while os.getppid() not in (1, self.agent):
            os.sched_yield()
        return True

    def lead(self, report):
        """The leader: returns in the code's process only, with the leader's number."""
        os.setsid()
        self.signal.pthread_sigmask(self.signal.SIG_SETMASK, self.signals)
        self.native("prctl", PR_SET_NAME, b"leader", 0, 0, 0)
        self.native("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.native("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() != self.agent:
            os._exit(1)
        leader = os.getpid()
        tell(report, REPORT_LED, leader, 0, 0)
        try:
            code = os.fork()
        except OSError as error:
            tell(report, REPORT_FAILED, error.errno, STEP_FORK, 0)
            os._exit(127)
        if code == 0:
            return leader
        os.dup2(report, 3)
        for fd in range(3):
            os.close(fd)
        os.closerange(4, DESCRIPTORS_MAX)
        is_alone(1)  # rehearsed, as everything below: no page is shared any more when the end comes
        tell(3)
        self.signal.pthread_sigmask(self.signal.SIG_SETMASK, self.signals)
        options = os.WNOHANG
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                os._exit(0)
            options = 0
            if pid == code:
                tell(3, REPORT_EXITED, status, 0, is_alone(-1))
                os.sched_yield()  # the agent goes before our own end


class Spare:
    """The code's process, up to its run. Not dumpable while it waits; who signals it ends it, and another one is made."""

    def __init__(self, server, fds, leader):
        import _socket

        self.native = server.native
        self.comm = os.path.basename(sys.executable).encode()[:15]
        os.setsid()
        for to, fd in enumerate(fds[:-2]):
            os.dup2(fd, to, to < 3)
        os.dup2(fds[-2], REPORT, False)
        os.dup2(fds[-1], CONTROL, False)
        server.control.detach()
        os.closerange(REPORT + 1, DESCRIPTORS_MAX)
        self.native("prctl", PR_SET_NAME, b"spare", 0, 0, 0)
        self.native("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() != leader:
            os._exit(1)
        self.put_up_walls(server.filter, leader)
        server.signal.pthread_sigmask(server.signal.SIG_SETMASK, ())
        self.control = _socket.socket(fileno=CONTROL)

    def put_up_walls(self, marked, leader):
        walls = marked.replace(little(LEADER_MARK), little(leader)).replace(little(-LEADER_MARK), little(-leader))
        program = (len(walls) // 8).to_bytes(8, "little") + (id(walls) + bytes.__basicsize__ - 1).to_bytes(8, "little")
        if self.native("prctl", PR_SET_SECCOMP, 2, program, 0, 0) != 0:
            os._exit(1)

    def receive(self):
        """The texts of the run. It counts as begun once that is said; where nobody listens any more it begins nothing."""
        try:
            self.control.send(b"R")
            data = self.control.recv(MESSAGE_MAX)
            if not data:
                os._exit(0)
            self.native("prctl", PR_SET_PDEATHSIG, 0, 0, 0, 0)
            self.control.send(b"T")
        except OSError:
            os._exit(0)
        self.control.close()
        return data.split(b"\0")[:-1]

    def become(self, texts):
        """What launcher.c does between fork and exec, and exec itself would have done."""
        try:
            os.chdir(texts[0])
        except OSError as error:
            tell(REPORT, REPORT_FAILED, error.errno, STEP_CWD, 0)
            os._exit(127)
        os.close(REPORT)
        self.native("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
        self.native("prctl", PR_SET_NAME, self.comm, 0, 0, 0)
        count = int(texts[1])
        set_environment(texts[2 + count:])
        args = [os.fsdecode(text) for text in texts[2:2 + count]]
        sys.orig_argv[-1:] = args
        sys.argv[1:] = args
        refresh_user_site()

    def rehearse(self):
        """What become() does, with nothing changed by it."""
        os.chdir(os.getcwdb())
        set_environment([name + b"=" + value for name, value in os.environb.items()])
        sys.argv[1:] = [os.fsdecode(os.fsencode(text)) for text in sys.argv[1:]]
        refresh_user_site()


def tell(report, *values):
    """Kind, value, step, alone."""
    try:
        os.write(report, b"".join([little(value) for value in values]))
    except OSError:
        os._exit(1)  # nobody wants this run any more


def is_alone(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 1
    return 0


def set_environment(pairs):
    os.environb.clear()
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        os.environb[name] = value


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
        self.places = [(vars(m), self.contents(vars(m))) for m in (sys, builtins)]
        self.kept = [dict(place) for place, _ in self.places]  # no other object gets the number of one of these
        self.library = os.path.dirname(os.__file__) + os.sep

    def is_plain(self, main):
        if self.callbacks() > 0 or "threading" in sys.modules or sys.modules.get("__main__") is not main:
            return False
        if any(self.contents(place) != before for place, before in self.places):
            return False
        for name in sys.modules.keys() - self.modules:
            file = getattr(sys.modules[name], "__file__", None) or self.library
            if not file.startswith(self.library) or "-packages" in file:
                return False
        return True

    MAY_CHANGE = ("argv", "orig_argv", "path", "_")

    def contents(self, place):
        """Which objects there are: their own idea of being equal does not count."""
        found = dict(zip(place, map(id, place.values())))
        for name in self.MAY_CHANGE:
            found.pop(name, None)
        return found

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
        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        except Exception:
            return  # closed or detached by the code: the long way knows what that means
        os._exit(code)


def serve(rehearse):
    """`rehearse` does what every run does: here, where it is the first time that counts, and in a run's own process once more,
    so that what it writes on is its own by then."""
    server = Server()
    rehearse()
    ending = Ending()
    gc.collect()
    gc.freeze()
    server.control.send(b"R")
    while True:
        fds = server.receive()
        if server.is_leader():
            spare = Spare(server, fds, server.lead(fds[-2]))
            spare.rehearse()
            rehearse()
            ending.is_plain(sys.modules["__main__"])
            spare.become(spare.receive())
            return ending.end
        for fd in fds:
            os.close(fd)
