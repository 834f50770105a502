"""An interpreter that stays: reads what to run on descriptor 4 (a number of texts, then the texts, each ended by a NUL: folder,
number of arguments, the code's file, its name, arguments, environment) and says D and its exit code there. __main__ stays the
same; SIGINT ends a program as KeyboardInterrupt and keeps the context."""
import os
import signal
import sys

CONTROL = 4


class Context:
    def __init__(self, runner):
        self.runner = runner
        self.bytes = b""
        self.module = runner.make_main("main.py", b"")
        self.sources = {}
        self.count = 0
        os.set_inheritable(CONTROL, False)
        os.set_inheritable(runner.REPORT, False)

    def receive(self):
        """The next program's texts; None at the end."""
        texts, want = [], None
        while want is None or len(texts) < want:
            text, found, rest = self.bytes.partition(b"\0")
            if not found:
                more = os.read(CONTROL, 65536)
                if not more:
                    return None
                self.bytes += more
                continue
            self.bytes = rest
            if want is None:
                want = int(text)
            else:
                texts.append(text)
        return texts

    def prepare(self, texts):
        """Descriptor 0, folder, environment and arguments; the code's file and its name."""
        count = int(texts[1])
        own = {}
        for pair in texts[2 + count:]:
            name, _, value = pair.partition(b"=")
            (own if name.startswith(b"SPILLWAY_") else os.environb)[name] = value
        fd = os.open(own.get(b"SPILLWAY_STDIN", b"/dev/null"), os.O_RDONLY)
        os.dup2(fd, 0)
        os.close(fd)
        sys.stdin = sys.__stdin__ = open(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)
        if texts[0]:
            os.chdir(texts[0])
        path, name, *args = (os.fsdecode(text) for text in texts[2:2 + count])
        sys.argv = [name] + args
        sys.path[0] = os.getcwd()
        return path, name, own.get(b"SPILLWAY_EVENT")

    def run(self, texts):
        """Its exit code."""
        runner = self.runner
        try:
            path, name, event = self.prepare(texts)
            with open(path, "rb") as file:
                source = file.read()
            name = self.remember(name, source)
            runner.run(source, name, self.module.__dict__, event)
        except SystemExit as error:
            return runner.exit_code(error)
        except BaseException as error:
            runner.show(error)
            return 1
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (OSError, ValueError, AttributeError):
                    pass
        return 0

    def remember(self, name, source):
        """Its name in tracebacks, which show the lines of the program that a function came from: one that has been used for
        another program gets a number."""
        import linecache

        text = source.decode("utf-8", "replace")
        self.module.__file__ = name
        self.count += 1
        if self.sources.setdefault(name, text) != text:
            name = f"{name}[{self.count}]"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        return name

    def serve(self):
        # Between programs an interrupt comes too late, and has nothing to end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.write(CONTROL, b"R\n")
        while (texts := self.receive()) is not None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                code = self.run(texts)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                code = 1
            os.write(CONTROL, b"D%d\n" % (code & 0xFF))
        sys.exit(0)
