"""Programs as children: started in their namespace with their sockets, watched, started again, ended in order.

Everything happens on the launcher's only thread, which waits for signals: PR_SET_PDEATHSIG counts the death of the
thread that forked.
"""
import os
import signal
import sys
import time

from linux import become_subreaper, set_parent_death_signal
from output import Failed, complain, say, tail

WATCHED = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
BACK_OFF_MAX = 5.0
STEADY_AFTER = 10.0  # who ran this long starts again at once


class Stopped(Exception):
    """SIGINT, SIGTERM or SIGHUP came."""

    def __init__(self, signum):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Program:
    """One child: what to start and how it stands.

    sockets: (name, socket) pairs; they become descriptors 3, 4, … and, by default, LISTEN_FDS and LISTEN_FDNAMES.
    nginx has its own way to be told: `socket_variable` NGINX.
    """

    def __init__(self, name, command, directory, namespace=None, sockets=(), log=None, socket_variable="LISTEN_FDS",
                 stop_signal=signal.SIGTERM, stop_seconds=10, has_workers=False, once=False):
        self.name = name
        self.command = [str(word) for word in command]
        self.directory = str(directory)
        self.namespace = namespace
        self.sockets = list(sockets)
        self.socket_variable = socket_variable
        self.log = log
        self.stop_signal = stop_signal
        self.stop_seconds = stop_seconds
        self.has_workers = has_workers
        self.once = once
        self.pid = None
        self.status = None  # of the last end, as os.waitstatus_to_exitcode gives it
        self.started_at = 0.0
        self.restart_at = None
        self.back_off = 0.0

    def environment(self):
        """Little: a variable SPILLWAY_… of the caller is a setting to our programs."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TERM", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        if not self.sockets:
            return kept
        if self.socket_variable == "NGINX":
            kept["NGINX"] = "".join(f"{3 + i};" for i in range(len(self.sockets)))
        else:
            kept["LISTEN_FDS"] = str(len(self.sockets))
            kept["LISTEN_FDNAMES"] = ":".join(name for name, _ in self.sockets)
            kept["LISTEN_PID"] = str(os.getpid())
        return kept

    def start(self):
        self.status = self.restart_at = None
        self.started_at = time.monotonic()
        parent = os.getpid()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.become(parent)
            except BaseException as error:  # nothing of the launcher may go on in the child
                os.write(2, f"{self.name}: {error}\n".encode())
            os._exit(127)

    def become(self, parent):
        """In the child: everything between fork and exec."""
        os.setsid()
        set_parent_death_signal(signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(127)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        self.arrange_descriptors()
        if self.namespace:
            self.namespace.enter()
        os.chdir(self.directory)
        os.closerange(3 + len(self.sockets), 1 << 20)
        os.execvpe(self.command[0], self.command, self.environment())

    def arrange_descriptors(self):
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, 0)
        if self.log:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
        if self.namespace:  # may stand where a socket goes to
            os.dup2(self.namespace.descriptor, 500, inheritable=False)
            self.namespace.descriptor = 500
        for i, (_, listener) in enumerate(self.sockets):
            os.dup2(listener.fileno(), 600 + i)
        for i in range(len(self.sockets)):
            os.dup2(600 + i, 3 + i)

    def running(self):
        return self.pid is not None

    def close_sockets(self):
        """Nobody will answer here again: let clients be refused rather than wait."""
        for _, listener in self.sockets:
            listener.close()

    def ended(self, status):
        if self.has_workers:  # nginx's go on serving when their master was killed
            kill_group(self.pid)
        self.pid = None
        self.status = status

    def end_text(self):
        if self.status is not None and self.status < 0:
            return f"was killed by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"


def kill_group(leader):
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Supervisor:
    """The launcher's loop. `changed` is called after a program was started again."""

    def __init__(self, restart=True):
        self.programs = []
        self.restart = restart
        self.stopping = False
        self.changed = lambda: None
        # Containers whose node was killed come here, so that they are no zombies where the machine's process 1 reaps slowly.
        become_subreaper()
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)

    def start(self, program):
        if program not in self.programs:
            self.programs.append(program)
        program.start()

    def turn(self, seconds):
        """Waits for one signal or for the time to pass, and does what is due. Raises Stopped."""
        due = [p.restart_at for p in self.programs if p.restart_at is not None]
        until = min([time.monotonic() + seconds] + due)
        got = signal.sigtimedwait(WATCHED, max(0.0, until - time.monotonic()))
        self.reap()
        if got and got.si_signo != signal.SIGCHLD and not self.stopping:
            raise Stopped(got.si_signo)
        for program in self.programs:
            if program.restart_at is not None and program.restart_at <= time.monotonic() and not self.stopping:
                program.start()
                self.changed()
                say(f"{program.name} is started again, pid {program.pid}")

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for program in self.programs:
                if program.pid == pid:
                    self.on_end(program, os.waitstatus_to_exitcode(status))

    def on_end(self, program, status):
        pid = program.pid
        program.ended(status)
        if self.stopping or program.once:
            return
        if not self.restart:
            program.close_sockets()
            say(f"{program.name} (pid {pid}) {program.end_text()}; it is not started again (SPILLWAY_RESTART=0)")
            return
        ran = time.monotonic() - program.started_at
        program.back_off = 0.0 if ran > STEADY_AFTER else min(BACK_OFF_MAX, program.back_off * 2 or 0.2)
        program.restart_at = time.monotonic() + program.back_off
        say(f"{program.name} (pid {pid}) {program.end_text()}; starting it again in {program.back_off:.1f} s")

    def wait_until(self, condition, seconds, what, programs=()):
        """Runs the loop until condition() is true. A program of `programs` that ends meanwhile is an error."""
        end = time.monotonic() + seconds
        shown = time.monotonic()
        while not condition():
            for program in programs:
                if program.status is not None and not program.running():
                    raise Failed(f"{program.name} {program.end_text()} before it was ready\n{tail(program.log)}")
            if time.monotonic() > end:
                logs = "\n".join(f"  {p.name}:\n{tail(p.log)}" for p in programs if p.log)
                raise Failed(f"{what} did not happen within {seconds} s\n{logs}")
            if time.monotonic() - shown > 3:
                shown = time.monotonic()
                say(f"waiting: {what}")
            self.turn(0.02)

    def wait_for_end(self, program):
        while program.running():
            self.turn(60)
        return program.status

    def stop(self, programs):
        """Asks them all to end, waits, and kills who does not. Returns the names of those that did not end well."""
        self.stopping = True
        asked = [program for program in programs if program.running()]
        for program in programs:
            program.restart_at = None
            if program in asked:
                os.kill(program.pid, program.stop_signal)
        for program in asked:
            self.see_off(program)
        bad = [program for program in asked if program.status not in (0, -program.stop_signal)]
        for program in bad:  # the sanitizers say it with the exit status
            complain(f"{program.name} {program.end_text()} when it was asked to end\n{tail(program.log)}")
        return [program.name for program in bad]

    def see_off(self, program):
        end = time.monotonic() + program.stop_seconds
        while program.running() and time.monotonic() < end:
            self.turn(0.05)
        if program.running():
            complain(f"{program.name} did not end within {program.stop_seconds} s and is killed")
            os.kill(program.pid, signal.SIGKILL)
        while program.running():
            self.turn(0.05)
