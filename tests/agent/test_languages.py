"""Each language: value, outputs apart, stdin, exit codes, signals, tracebacks."""


def test_python_last_value(box):
    r = box.run("python", "x = 20\nprint('out')\nx * 2 + 2")
    assert (r["result"], r["stdout"], r["status"], r["exit_code"]) == ("42", "out\n", "completed", 0)
    assert r["error"] is None and r["stderr"] == ""


def test_python_none_is_no_value(box):
    assert box.run("python", "None")["result"] is None
    assert box.run("python", "x = 1")["result"] is None
    assert box.run("python", "")["result"] is None


def test_python_value_is_repr_and_bounded(box):
    assert box.run("python", "'a\\n\u00e9'")["result"] == "'a\\n\u00e9'"
    r = box.run("python", "'x' * 1000000")
    assert len(r["result"]) == 256 * 1024 and r["result_truncated"] is True


def test_python_outputs_apart(box):
    r = box.run("python", "import sys\nprint('a'); print('b', file=sys.stderr)")
    assert (r["stdout"], r["stderr"]) == ("a\n", "b\n")


def test_python_traceback_shows_the_users_lines_only(box):
    r = box.run("python", "def f():\n    return 1 / 0\n\nf()", filename="sum.py")
    assert r["status"] == "failed" and r["exit_code"] == 1
    assert r["error"]["name"] == "ZeroDivisionError" and r["error"]["value"] == "division by zero"
    assert 'File "sum.py", line 2, in f' in r["stderr"] and "return 1 / 0" in r["stderr"]
    assert "python_runner" not in r["stderr"] and r["error"]["traceback"] == r["stderr"]


def test_python_caught_traceback_shows_lines_too(box):
    r = box.run("python", "import traceback\ntry:\n    1/0\nexcept Exception:\n    traceback.print_exc()")
    assert "1/0" in r["stderr"] and r["status"] == "completed"


def test_python_syntax_error(box):
    r = box.run("python", "def f(:\n  pass")
    assert r["error"]["name"] == "SyntaxError" and 'File "main.py", line 1' in r["stderr"]
    assert "python_runner" not in r["stderr"]


def test_python_is_main_with_args_cwd_and_path(box):
    r = box.run("python", "import sys, os\n(__name__, sys.argv, os.getcwd(), sys.path[0], 'REPORT' in globals())", args=["a", "b c"])
    assert r["result"] == "('__main__', ['main.py', 'a', 'b c'], '/workspace', '/workspace', False)"


def test_python_pickles_and_dataclasses_of_main(box):
    r = box.run("python", "import pickle\nclass A: pass\ntype(pickle.loads(pickle.dumps(A()))) is A")
    assert r["result"] == "True"


def test_python_imports_from_the_workspace(box):
    box.run("bash", "echo 'v = 7' > /workspace/mine.py")
    assert box.run("python", "import mine\nmine.v")["result"] == "7"


def test_python_system_exit(box):
    for code, want in (("3", 3), ("", 0), ("'text'", 1)):
        r = box.run("python", f"import sys\nsys.exit({code})")
        assert r["exit_code"] == want and r["error"] is None


def test_python_atexit_and_threads_run_to_their_end(box):
    r = box.run("python", "import atexit, threading, time\natexit.register(print, 'bye')\n"
                          "threading.Thread(target=lambda: (time.sleep(0.1), print('t'))).start()")
    assert r["stdout"] == "t\nbye\n"


def test_python_unhandled_signal(box):
    r = box.run("python", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert (r["status"], r["signal"], r["exit_code"]) == ("killed", "SIGSEGV", None)


def test_python_partial_output_is_seen_while_it_runs(box):
    eid = box.submit("python", "import time\nprint('one', end='')\ntime.sleep(1.5)\nprint('two')")
    first = box.result(f"?execution_id={eid}&wait=5")
    assert first["status"] == "running" and first["stdout"] == "one" and first["exit_code"] is None
    assert box.ended(eid)["stdout"] == "onetwo\n"


def test_python_node_and_bash_multiprocessing(box):
    r = box.run("python", "import subprocess\nsubprocess.run(['sh', '-c', 'echo child; ls /proc/self/fd | wc -l'], check=True)")
    assert r["stdout"].split() == ["child", "4"]  # 0 1 2 and the listing's own


def test_node_last_value(box):
    r = box.run("nodejs", "const a = [1, {b: 2}];\nconsole.log('x'); console.error('y');\na")
    assert (r["result"], r["stdout"], r["stderr"]) == ("[ 1, { b: 2 } ]", "x\n", "y\n")


def test_node_undefined_is_no_value(box):
    assert box.run("nodejs", "let x = 1;")["result"] is None


def test_node_promise_is_awaited(box):
    r = box.run("nodejs", "(async () => { await new Promise(r => setTimeout(r, 50)); return 'done'; })()")
    assert r["result"] == "'done'" and r["status"] == "completed"


def test_node_rejection_fails(box):
    r = box.run("nodejs", "Promise.reject(new RangeError('no'))")
    assert (r["status"], r["exit_code"], r["error"]["name"], r["error"]["value"]) == ("failed", 1, "RangeError", "no")


def test_node_uncaught_shows_the_users_lines_only(box):
    r = box.run("nodejs", "function f() {\n  throw new TypeError('bad');\n}\nf();", filename="a.js")
    assert r["exit_code"] == 1 and r["error"]["name"] == "TypeError"
    assert "a.js:2" in r["stderr"] and "node_runner" not in r["stderr"] and "node_runner" not in r["error"]["traceback"]


def test_node_syntax_error(box):
    r = box.run("nodejs", "let = = 3")
    assert r["exit_code"] == 1 and r["error"]["name"] == "SyntaxError" and "main.js:1" in r["stderr"]
    assert "node_runner" not in r["stderr"]


def test_node_require_argv_and_import(box):
    box.run("bash", "echo 'module.exports = 5' > /workspace/five.js; echo 'export default 6' > /workspace/six.mjs")
    r = box.run("nodejs", "[require('./five'), process.argv.slice(2), require('path').basename(__filename), __dirname]", args=["q"])
    assert r["result"] == "[ 5, [ 'q' ], 'main.js', '/workspace' ]"
    assert box.run("nodejs", "import('/workspace/six.mjs').then(m => m.default)")["result"] == "6"
    for builtin in ("fs", "node:fs"):
        r = box.run("nodejs", f"import('{builtin}').then(m => typeof m.readFileSync)")
        assert r["result"] == "'function'" and r["stderr"] == ""


def test_node_exit_code(box):
    assert box.run("nodejs", "process.exitCode = 4")["exit_code"] == 4
    assert box.run("nodejs", "process.exit(5)")["exit_code"] == 5


def test_bash(box):
    r = box.run("bash", "echo $1 $#; echo oops >&2; exit 9", args=["a", "b"])
    assert (r["stdout"], r["stderr"], r["exit_code"], r["status"]) == ("a 2\n", "oops\n", 9, "failed")
    assert r["result"] is None


def test_aliases(box):
    assert box.run("py", "1")["language"] == "python"
    assert box.run("javascript", "1")["language"] == "nodejs"


def test_stdin_is_fed_and_closed(box):
    r = box.run("python", "import sys\nsys.stdin.read()", stdin="h\u00e9llo\n")
    assert r["result"] == "'h\u00e9llo\\n'"
    assert box.run("python", "import sys\nsys.stdin.read()")["result"] == "''"


def test_large_stdin_to_one_who_does_not_read(box):
    assert box.run("bash", "exit 0", stdin="x" * 1000000)["status"] == "completed"
    assert box.run("bash", "wc -c", stdin="x" * 1000000)["stdout"].strip() == "1000000"


def test_stdin_stays_open(box):
    eid = box.submit("python", "import sys\nfor line in sys.stdin: print(line.upper(), end='')", stdin="a\n", stdin_open=True)
    assert box.call("POST", f"/v1/executions/{eid}/stdin", b"b\n").status == 204
    assert box.call("POST", f"/v1/executions/{eid}/stdin?eof=true", b"c\n").status == 204
    assert box.ended(eid)["stdout"] == "A\nB\nC\n"
    refused = box.call("POST", f"/v1/executions/{eid}/stdin", b"d\n")
    assert refused.status == 409 and refused.json["code"] == "stdin_closed"


def test_text_plain_is_the_code(box):
    r = box.call("POST", "/v1/exec/python?wait=10", "print('plain')\n5", {"Content-Type": "text/plain; charset=utf-8"})
    assert r.status == 200 and r.json["stdout"] == "plain\n" and r.json["result"] == "5"


def test_env_and_cwd(box):
    r = box.run("bash", "echo $A; pwd", env={"A": "x y"}, cwd="/tmp")
    assert r["stdout"] == "x y\n/tmp\n"
    box.run("bash", "mkdir -p sub")
    assert box.run("bash", "pwd", cwd="sub")["stdout"] == "/workspace/sub\n"


def test_background_has_no_timeout_of_its_own(box):
    eid = box.submit("bash", "sleep 0.3; echo late", background=True)
    assert box.ended(eid)["stdout"] == "late\n"
