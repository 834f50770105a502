#!/usr/bin/python3
"""write_page.py - runs the languages' programs and writes docs/languages.md from what they answer."""
import re
import sys

from programs import LANGUAGES
from rooms import ENVIRONMENTS, TREE, Room

HEAD = """# Languages

Written by `tests/languages/write_page.py`, which runs every program below in its environment, within its limits. `./test languages` checks them all.

An operator adds a language by a row in `sandbox/runtimes/languages.yaml` (its commands) and its packages in
`sandbox/images/environments.yaml`. A compiled language is compiled first, within its own time-out; what the compiler finds wrong is the result, with
`"phase": "compile"` in `error`, and the program's time counts from its begin.

Only `python` is there unless `./run --environments A,B` asks for more. An alias is the environment under another name. Where a run names no environment, it gets
one that has its language. Languages have other names too (`py`, `node`, `js`, `sh`, `c++`, `rs` …), the same in every call. What is in no environment can be
[asked for](dependencies.md).

"""


def table():
    yield "| environment | also called | languages | processor | memory | files | processes |"
    yield "|---|---|---|---|---|---|---|"
    for name, e in ENVIRONMENTS.items():
        r = e["resources"]
        yield (f"| `{name}` | {' '.join(f'`{a}`' for a in e.get('aliases', [])) or '–'} | {', '.join(e['languages'])} | {r['cpu']} | {r['memory']} | "
               f"{r['disk']} | {e['pids']} |")


def shown(text):
    lines = re.sub(r"/tmp/\.spillway-\w{6}", "/tmp/.spillway-…", text).rstrip("\n").split("\n")
    return "\n".join(lines[:12] + (["…"] if len(lines) > 12 else []))


def answer(box, language, name, **members):
    r = box.run(language.name, language.programs[name], **{"timeout_seconds": 30, **members})
    yield f"```\n{language.programs[name]}\n```\n"
    if "stdin" in members:
        yield f"with the standard input `{members['stdin']!r}`\n"
    said = f"`{r['status']}`, exit code {r['exit_code']}"
    if r["error"] and r["error"].get("phase"):
        said += f", error `{r['error']['name']}` in phase `{r['error']['phase']}`"
    elif r["error"]:
        said += f", error `{r['error']['name']}`"
    yield said + (":\n" if r["stdout"] or r["stderr"] else "\n")
    if r["stdout"] or r["stderr"]:
        yield f"```\n{shown(r['stdout'] + r['stderr'])}\n```\n"


def main():
    page = [HEAD + "\n".join(table()) + "\n"]
    for environment in ENVIRONMENTS:
        ours = [language for language in LANGUAGES if language.environment == environment]
        if not ours:
            continue
        with Room(environment) as box:
            for language in ours:
                print(language.name, file=sys.stderr)
                page.append(f"## {language.name}\n")
                page.extend(answer(box, language, "unicode"))
                page.extend(answer(box, language, "lines", stdin="one\nzwölf\n"))
                page.extend(answer(box, language, "broken"))
    (TREE / "docs/languages.md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
