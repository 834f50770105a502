"""Values with a richer form, figures, handlers, modules: what a language adds to its outputs."""
import base64
import json

import pytest


def shown(r):
    return [(d["mime"], d["data"]) for d in r["display"]]


def test_html_of_the_last_value(box):
    r = box.run("python", "class T:\n    def _repr_html_(self): return '<b>é</b>'\n    def __repr__(self): return 'T!'\nT()")
    assert r["result"] == "T!" and shown(r) == [("text/html", "<b>é</b>")] and "display_truncated" not in r


def test_png_and_json(box):
    r = box.run("python", "class T:\n    def _repr_png_(self): return b'\\x89PNG\\0'\n    def _repr_json_(self): return {'a': 1}\nT()")
    assert shown(r) == [("image/png", base64.b64encode(b"\x89PNG\0").decode()), ("application/json", '{"a": 1}')]


def test_a_form_that_fails_is_none(box):
    r = box.run("python", "class T:\n    def _repr_html_(self): return 1 / 0\n    def __repr__(self): return 'T!'\nT()")
    assert r["result"] == "T!" and r["display"] == [] and r["status"] == "completed"


def test_classes_and_plain_values_have_none(box):
    assert box.run("python", "class T:\n    def _repr_html_(self): return 'x'\nT")["display"] == []
    assert box.run("python", "[1]")["display"] == []


def test_displays_are_bounded(box):
    r = box.run("python", "class T:\n    def _repr_html_(self): return 'x' * (5 << 20)\n    def __repr__(self): return 'T'\nT()")
    assert r["display"] == [] and r["display_truncated"] is True and r["result"] == "T"
    r = box.run("python", "class T:\n    def _repr_html_(self): return 'x' * (4 << 20 - 1)\nT()")
    assert len(json.dumps(r["display"])) < 4 << 20
    r = box.run("python", "class T:\n    def _repr_html_(self): return '\\0' * (3 << 20)\nT()")  # six times as long in JSON
    assert r["display_truncated"] is True


MATPLOTLIB = r"""
mkdir -p /workspace/lib/matplotlib; cd /workspace/lib/matplotlib
echo 'import os; backend = os.environ.get("MPLBACKEND")' > __init__.py
cat > pyplot.py <<'END'
figures = {}
class Figure:
    def __init__(self, n): self.n = n
    def savefig(self, f, format, **_): f.write(b'\x89PNG' + bytes([self.n]))
def figure(n=None):
    n = n or len(figures) + 1
    return figures.setdefault(n, Figure(n))
def get_fignums(): return sorted(figures)
def close(what=None): figures.clear()
def show(): raise RuntimeError('no screen')
END
"""


def test_figures(box):
    """Shown or left open; a stand-in with matplotlib's names, which is not in this image."""
    box.run("bash", MATPLOTLIB)
    png = [("image/png", base64.b64encode(b"\x89PNG" + bytes([n])).decode()) for n in (1, 2)]
    head = "import sys; sys.path.insert(0, '/workspace/lib')\nimport matplotlib.pyplot as plt\n"
    assert shown(box.run("python", head + "plt.figure(); plt.figure()")) == png
    assert shown(box.run("python", head + "plt.figure(); plt.show(); plt.close()")) == png[:1]
    assert box.run("python", "import sys; sys.path.insert(0, '/workspace/lib')\nimport matplotlib\nmatplotlib.backend")["result"] == "'Agg'"
    r = box.run("python", "import os\nos.environ.get('MPLBACKEND')")
    assert r["result"] is None
    assert shown(box.run("python", head + "plt.figure()\n1/0")) == png[:1]


def test_python_handler(box):
    code = "def handler(event):\n    print('in')\n    return {'sum': sum(event['n']), 'é': None}"
    r = box.run("python", code, event={"n": [1, 2]})
    assert json.loads(r["result"]) == {"sum": 3, "é": None} and r["stdout"] == "in\n"
    assert box.run("python", "def handler(event): return event", event=None)["result"] == "null"


@pytest.mark.parametrize("code", ["function handler(e) { return {sum: e.n[0] + e.n[1]} }", "exports.handler = async (e) => ({sum: 3})",
                                  "export const handler = async (e) => ({sum: e.n.length + 1})", "const handler = (e) => ({sum: 3})"])
def test_node_handler(box, code):
    r = box.run("nodejs", code, event={"n": [1, 2]})
    assert json.loads(r["result"]) == {"sum": 3}, r


def test_no_handler_and_a_handler_that_fails(box):
    for language in ("python", "nodejs"):
        r = box.run(language, "1", event={})
        assert r["status"] == "failed" and "handler" in r["error"]["value"]
    r = box.run("python", "def handler(e): return {1, 2}", event={})
    assert r["error"]["name"] == "TypeError" and "runner" not in r["stderr"]
    r = box.run("nodejs", "function handler() { throw new RangeError('x') }", event={})
    assert r["error"]["name"] == "RangeError" and r["exit_code"] == 1


def test_python_input_and_end_of_file(box):
    assert box.run("python", "a = input('? ')\na", stdin="x\n")["result"] == "'x'"
    assert box.run("python", "input()")["error"]["name"] == "EOFError"


@pytest.mark.parametrize("code,value", [
    ("await 5", "5"), ("const a = await Promise.resolve([1]);\na", "[ 1 ]"), ("import fs from 'fs';\ntypeof fs.readFileSync", "'function'"),
    ("import { join } from 'node:path'; join('a', 'b')", "'a/b'"), ("const { join } = require('path'); await null; join('a', 'b')", "'a/b'"),
    ("import './side.mjs'; globalThis.side", "7"), ("import five from './five.js'; five", "5"), ("await 1; let x = 2;", None),
    ("export default 3", None), ("import.meta.url; await 0; import.meta.url", "'file:///workspace/main.js'"),
    ("(await import('node:os')).EOL", "'\\n'"), ("for await (const x of [1]) globalThis.seen = x; seen", "1"),
    ("// await in words only\n'use strict'; 1 + 1", "2"), ("({ a: await 1 })", "{ a: 1 }"),
])
def test_node_modules_and_await(box, code, value):
    box.run("bash", "cd /workspace; echo 'globalThis.side = 7' > side.mjs; echo 'module.exports = 5' > five.js")
    r = box.run("nodejs", code)
    assert (r["result"], r["status"], r["stderr"]) == (value, "completed", ""), r


@pytest.mark.parametrize("code,name,line", [
    ("await 1;\nthrow new RangeError('x')", "RangeError", "main.js:2"), ("import x from 'nowhere-at-all'", "Error", ""), ("await 1; let = = 3", "SyntaxError", ""),
    ("import { nothing } from 'fs'; nothing", "SyntaxError", ""), ("await Promise.reject(new TypeError('t'))", "TypeError", "")])
def test_node_modules_that_fail(box, code, name, line):
    r = box.run("nodejs", code)
    assert (r["status"], r["exit_code"]) == ("failed", 1) and r["error"]["name"] == name and line in r["stderr"], r
    assert "node_runner" not in (r["error"]["traceback"] or "")


def test_node_children_get_no_flags_of_ours(box):
    assert box.run("nodejs", "process.execArgv.length")["result"] == "0"
