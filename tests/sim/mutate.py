#!/usr/bin/python3
"""mutate.py BUG TREE OUT - plants a bug: writes the source that BUG names with one text replaced by another.

A bug is `# what it is`, `file: PATH`, `found by: PROPERTY[|PROPERTY…]`, `seed: N` where that was seen, a line `-----`, the text as it
is, a line `+++++`, the text that takes its place. The text must stand in the file exactly once, or the build fails: then the bug has
to follow the source.
"""
import pathlib
import sys


def parse(text):
    head, rest = text.split("-----\n", 1)
    old, new = rest.split("+++++\n", 1)
    fields = dict(line.split(": ", 1) for line in head.splitlines() if not line.startswith("#"))
    return fields["file"], old, new


def main():
    bug, tree, out = (pathlib.Path(argument) for argument in sys.argv[1:4])
    path, old, new = parse(bug.read_text(encoding="utf-8"))
    source = (tree / path).read_text(encoding="utf-8")
    if source.count(old) != 1:
        sys.exit(f"{bug}: its text stands {source.count(old)} times in {path}, not once")
    out.write_text(f'#line 1 "{path}"\n' + source.replace(old, new), encoding="utf-8")


main()
