"""Runs one file of user code as __main__ and tells the last expression's value, or the uncaught error, on descriptor 3.

Nothing of this file is visible to the code: argv, path, __main__ and tracebacks are as if python had been given the code
itself. How the run ended is not said here: the agent takes that from wait(). Kept free of imports that cost start-up time.

--warm in the place of the file: python_warm.py. --context: python_context.py.
"""
import os
import sys

REPORT = 3
TEXT_MAX = 256 * 1024


def report(kind, data=b""):
    data = b"%c%d\n%b" % (ord(kind), len(data), data)
    try:
        while data:
            data = data[os.write(REPORT, data):]
    except OSError:
        pass  # closed by the code: its own loss


def report_text(kind, text):
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > TEXT_MAX:
        data = data[:TEXT_MAX].decode("utf-8", "ignore").encode()
        if kind == "R":
            report("C")
    report(kind, data)


def load(name):
    """A file beside this one, as a module that the code cannot see."""
    path = os.path.join(os.path.dirname(__file__), name + ".py")
    module = type(sys)(name)
    module.__file__ = path
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), module.__dict__)
    return module


class Source:
    """A loader that shows the code to linecache, so that tracebacks print its lines under the name the client chose."""

    def __init__(self, text):
        self.text = text

    def get_source(self, _name):
        return self.text


def make_main(name, source):
    module = type(sys)("__main__")
    module.__file__ = name
    module.__loader__ = Source(source.decode("utf-8", "replace"))
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    return module


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


class Displays:
    """Rich forms of values and figures; the file that knows them is read when there is something to show."""

    def __init__(self):
        self.module = None

    def loaded(self):
        if self.module is None:
            self.module = load("python_display")
            self.module.report = report
        return self.module

    def value(self, value):
        """Types that say so themselves; what is built in has no such methods."""
        if type(value).__module__ != "builtins" and any(hasattr(type(value), m) for m in REPRS):
            self.loaded().show_value(value)

    def figures(self):
        if "matplotlib.pyplot" in sys.modules:
            self.loaded().show_figures()


REPRS = ("_repr_html_", "_repr_png_", "_repr_json_", "_repr_svg_", "_repr_mimebundle_")
displays = Displays()


class FigureFinder:
    """Sets matplotlib up for this place, when it is imported and not before: no screen, and what is shown is shown by us."""

    def find_spec(self, name, path=None, target=None):
        if name == "matplotlib":
            os.environ.setdefault("MPLBACKEND", "Agg")
        if name != "matplotlib.pyplot":
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next((spec for spec in found if spec), None)
        if spec:
            plain = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (plain(module), self.adopt(module))
        return spec

    def adopt(self, pyplot):
        pyplot.show = lambda *_args, **_named: displays.figures()


def call_handler(scope, event_file):
    """handler(event): what it returns is the result, as JSON."""
    import json

    with open(event_file, encoding="utf-8") as file:
        event = json.load(file)
    handler = scope.get("handler")
    if not callable(handler):
        raise TypeError("event: the code has no function handler(event)")
    report_text("R", json.dumps(handler(event), ensure_ascii=False))


def run(source, name, scope, event_file=None):
    body, last = split(source, name)
    try:
        exec(body, scope)
        value = eval(last, scope) if last is not None else None
    finally:
        displays.figures()
    if event_file is not None:
        call_handler(scope, event_file)
    elif value is not None:
        displays.value(value)
        report_text("R", repr(value))


def own_frames_gone(error):
    """An error and what it came from, without the frames in front of the user's."""
    folder = os.path.dirname(__file__)
    seen = set()
    todo = [error]
    while todo:
        e = todo.pop()
        if e is None or id(e) in seen:
            continue
        seen.add(id(e))
        at = e.__traceback__
        while at is not None and os.path.dirname(at.tb_frame.f_code.co_filename) == folder:
            at = at.tb_next
        e.__traceback__ = at
        todo += [e.__cause__, e.__context__]


def show(error):
    import traceback

    own_frames_gone(error)
    try:
        value = str(error)
    except Exception:
        value = "<exception str() failed>"
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    report_text("N", type(error).__name__)
    report_text("V", value[: 16 * 1024])
    report_text("B", lines[: 64 * 1024])
    if sys.excepthook is sys.__excepthook__:
        sys.stderr.write(lines)
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def exit_code(error):
    """What python makes of a SystemExit."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def begin():
    """Serves, or takes the run's arguments; what it returns ends a run quickly."""
    sys.meta_path.insert(0, FigureFinder())
    if sys.argv[1:] == ["--context"]:
        me = sys.modules["__main__"]
        load("python_context").Context(me).serve()
    if sys.argv[1:] == ["--warm"]:
        # Returns for every run, in a process of its own.
        return load("python_warm").serve(rehearse)
    return None


def rehearse():
    """A run that leaves nothing behind."""
    me = sys.modules["__main__"]
    with open(__file__, "rb") as file:
        file.read()
    module = make_main("main.py", b"print('', end='')\nNone\n")
    run(b"print('', end='')\nNone\n", "main.py", module.__dict__)
    sys.modules["__main__"] = me
    sys.stdout.flush()
    sys.stderr.flush()


def main():
    end = begin()
    path, name = sys.argv[1:3]
    sys.argv = [name] + sys.argv[3:]
    sys.path[0] = os.getcwd()
    event_file = os.environ.pop("SPILLWAY_EVENT", None)
    try:
        os.set_inheritable(REPORT, False)
    except OSError:
        pass
    with open(path, "rb") as file:
        source = file.read()
    module = make_main(name, source)
    code = 0
    try:
        run(source, name, module.__dict__, event_file)
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
    if code:
        sys.exit(code)


main()
