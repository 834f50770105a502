"""Every language in the environment that has it: hello, stdin, unicode, its mistakes, time-out, exit code."""
import pytest
from programs import LANGUAGES, TEXT
from rooms import ENVIRONMENTS

ordered = sorted(LANGUAGES, key=lambda language: list(ENVIRONMENTS).index(language.environment))


@pytest.fixture(scope="module", params=ordered, ids=lambda language: language.name)
def here(request, rooms):
    """(language, run): the language's own room stays while its tests run."""
    language = request.param
    box = rooms(language.environment)

    def run(name, **members):
        return box.run(language.name, language.programs[name], **{"timeout_seconds": 20, **members})
    return language, run


def ended(result):
    return {key: result[key] for key in ("status", "exit_code", "signal", "stdout", "stderr", "error")}


def test_hello(here):
    _, run = here
    r = run("hello")
    assert r["status"] == "completed" and r["exit_code"] == 0 and r["stdout"] == "hello\n" and r["stderr"] == "", ended(r)


def test_stdin(here):
    _, run = here
    r = run("lines", stdin="one\nzwölf\n\n日本語\n")
    assert r["status"] == "completed" and r["stdout"] == "3\n5\n0\n3\n", ended(r)


def test_no_stdin_is_its_end(here):
    _, run = here
    r = run("lines")
    assert r["status"] == "completed" or r["stdout"] in ("", "0\n"), ended(r)


def test_unicode(here):
    _, run = here
    r = run("unicode")
    assert r["status"] == "completed" and r["stdout"] == TEXT + "\n", ended(r)


def test_compile_error(here):
    language, run = here
    r = run("broken")
    assert r["status"] == "failed" and r["exit_code"] not in (0, None) and r["stdout"] == "" and r["stderr"] != "", ended(r)
    if language.compiled:
        assert r["error"]["name"] == "CompileError" and r["error"]["phase"] == "compile", ended(r)
        assert r["error"]["value"].strip() == r["stderr"].strip() and ".spillway-" not in r["stderr"], ended(r)


def test_runtime_error(here):
    _, run = here
    r = run("wrong")
    assert r["status"] in ("failed", "killed") and r["exit_code"] != 0, ended(r)
    assert "phase" not in (r["error"] or {})
    assert r["stderr"] != "" or r["signal"] == "SIGABRT", ended(r)


def test_time_out(here):
    _, run = here
    r = run("forever", timeout_seconds=1)
    assert r["status"] == "timeout" and r["error"]["name"] == "TimeoutError" and "phase" not in r["error"], ended(r)


def test_exit_code(here):
    _, run = here
    r = run("status")
    assert r["status"] == "failed" and r["exit_code"] == 7 and r["signal"] is None, ended(r)


def test_nothing_is_left_behind(here, rooms):
    language, _ = here
    box = rooms(language.environment)
    assert box.run("bash", "ls -d /tmp/.spillway-* | wc -l")["stdout"] == "1\n"  # its own


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_has_what_it_says(rooms, environment):
    answer = rooms(environment).call("POST", "/v1/exec/cobol", {"code": ""})
    assert answer.status == 400
    there = answer.json["detail"].split(" has ")[1].split(", ")
    # Debian is never without Perl, and SciPy brings a compiler; the gateway offers what the table says.
    assert set(there) >= set(ENVIRONMENTS[environment]["languages"])


def test_the_scientific_stack(rooms):
    r = rooms("python-ml").run("python", "import numpy, pandas, scipy.stats, sklearn.linear_model, matplotlib\n"
                               "matplotlib.use('Agg')\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
                               "int(pandas.Series(numpy.arange(4)).sum())", timeout_seconds=60)
    assert r["result"] == "6" and [d["mime"] for d in r["display"]] == ["image/png"], ended(r)
