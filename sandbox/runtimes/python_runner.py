"""Runs one file of user code as __main__ and tells the last expression's value, or the uncaught error, on descriptor 3.

Nothing of this file is visible to the code: argv, path, __main__ and tracebacks are as if python had been given the code
itself. How the run ended is not said here: the agent takes that from wait(). Kept free of imports that cost start-up time.
"""
import os
import sys

REPORT = 3
TEXT_MAX = 256 * 1024


def report(kind, text=""):
    data = text.encode("utf-8", "backslashreplace")[:TEXT_MAX]
    data = b"%c%d\n%b" % (ord(kind), len(data), data)
    try:
        while data:
            data = data[os.write(REPORT, data):]
    except OSError:
        pass  # closed by the code: its own loss


class Source:
    """A loader that shows the code to linecache, so that tracebacks print its lines under the name the client chose."""

    def __init__(self, text):
        self.text = text

    def get_source(self, _name):
        return self.text


def split(source, name):
    """The code up to a last expression, and that expression (or None), compiled."""
    import _ast

    tree = compile(source, name, "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    last = None
    if tree.body and isinstance(tree.body[-1], _ast.Expr):
        value = tree.body.pop().value
        # A docstring is no value, but "text" as the only line is one, as everywhere.
        last = compile(_ast.Expression(value), name, "eval", dont_inherit=True)
    return compile(tree, name, "exec", dont_inherit=True), last


def run(source, name, scope):
    body, last = split(source, name)
    exec(body, scope)
    if last is None:
        return
    value = eval(last, scope)
    if value is None:
        return
    text = repr(value)
    if len(text) > TEXT_MAX or len(text.encode("utf-8", "backslashreplace")) > TEXT_MAX:
        text = text[:TEXT_MAX].encode("utf-8", "backslashreplace")[:TEXT_MAX].decode("utf-8", "ignore")
        report("C")
    report("R", text)


def own_frames_gone(error):
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename == __file__:
        at = at.tb_next
    return at


def show(error):
    import traceback

    error.__traceback__ = own_frames_gone(error)
    try:
        value = str(error)
    except Exception:
        value = "<exception str() failed>"
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    report("N", type(error).__name__)
    report("V", value[: 16 * 1024])
    report("B", lines[: 64 * 1024])
    if sys.excepthook is sys.__excepthook__:
        sys.stderr.write(lines)
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def load(name):
    """A file beside this one, as a module that the code cannot see."""
    path = os.path.join(os.path.dirname(__file__), name + ".py")
    module = type(sys)(name)
    module.__file__ = path
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), module.__dict__)
    return module


def main():
    end = None
    if sys.argv[1:] == ["--warm"]:
        # Returns for every run, in a process of its own.
        end = load("python_warm").serve(lambda: exec(split(b"1", "main.py")[0], {}))
    path, name = sys.argv[1:3]
    sys.argv = [name] + sys.argv[3:]
    sys.path[0] = os.getcwd()
    try:
        os.set_inheritable(REPORT, False)
    except OSError:
        pass
    with open(path, "rb") as file:
        source = file.read()
    module = type(sys)("__main__")
    module.__file__ = name
    module.__loader__ = Source(source.decode("utf-8", "replace"))
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    code = 0
    try:
        run(source, name, module.__dict__)
    except SystemExit:
        raise
    except KeyboardInterrupt as error:
        show(error)
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        show(error)
        code = 1
    if end:
        end(module, code)
    sys.exit(code)


main()
