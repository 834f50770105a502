#!/usr/bin/env python3
"""Every rule of tools/check goes red on a fault that is planted for it, and is green without."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
CLEAN = '#include "base/one.h"\n\nint one(void)\n{\n    return 1;\n}\n'


class ToolsCheck(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="spillway-check-"))
        self.addCleanup(shutil.rmtree, self.root)
        for name in (".clang-format", "tools/layers.txt", "tools/cppcheck.cfg", "tools/cppcheck-suppressions.txt"):
            self.put(name, (SOURCE / name).read_text())
        self.put("tools/check-allow.txt", "")
        self.put("base/one.h", "#pragma once\nint one(void);\n")
        self.put("base/one.c", CLEAN)

    def put(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_check(self, *arguments):
        command = [sys.executable, str(SOURCE / "tools/check"), "--root", str(self.root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def assert_green(self, *arguments):
        done = self.run_check(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def assert_red(self, rule, saying):
        done = self.run_check(rule)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(saying, done.stdout)

    def test_clean_tree_is_green(self):
        self.assert_green()

    def test_unknown_rule(self):
        self.assertEqual(self.run_check("spelling").returncode, 2)

    def test_format_and_fix(self):
        self.put("base/one.c", CLEAN.replace("    return", "  return"))
        self.assert_red("format", "base/one.c:4: 1 lines are not")
        self.assert_green("--fix", "format")
        self.assertEqual((self.root / "base/one.c").read_text(), CLEAN)

    def test_include_against_the_layers(self):
        self.put("http/two.h", "#pragma once\n")
        self.put("base/one.c", '#include "http/two.h"\n' + CLEAN)
        self.assert_red("layers", "base/one.c:1: base/ may not include from http/")

    def test_include_across_rooms(self):
        self.put("clusters/embedded/two.h", "#pragma once\n")
        self.put("clusters/three.c", '#include "clusters/embedded/two.h"\n')
        self.assert_red("layers", "clusters/ may not include from clusters/embedded/")

    def test_include_that_is_not_from_the_top(self):
        self.put("base/one.c", CLEAN.replace("base/one.h", "one.h"))
        self.assert_red("layers", '"one.h" is not a file below the top')

    def test_foreign_header(self):
        self.put("http/two.c", "#include <jansson.h>\n")
        self.assert_red("layers", "<jansson.h> is included by base/json.c only")

    def test_impure_decision(self):
        self.put("router/decision.c", "#include <time.h>\n")
        self.assert_red("layers", "router/decision.c:1: time.h has no place in a file that decides")

    def test_long_file(self):
        self.put("base/long.c", "\n" * 601)
        self.assert_red("sizes", "base/long.c: 601 lines")

    def test_long_function(self):
        self.put("base/long.c", "int two(\n    int a)\n{\n" + "    a++;\n" * 79 + "}\n")
        self.assert_red("sizes", "base/long.c:3: two() has 81 lines")
        self.put("base/long.c", "int two(\n    int a)\n{\n" + "    a++;\n" * 78 + "}\n")
        self.assert_green("sizes")

    def test_exceptions_need_a_reason_and_a_use(self):
        self.put("base/long.c", "\n" * 601)
        self.put("tools/check-allow.txt", "sizes base/long.c: one table\n")
        self.assert_green("sizes")
        self.put("tools/check-allow.txt", "sizes base/long.c\n")
        self.assert_red("sizes", "not 'RULE WHAT: reason'")
        self.put("tools/check-allow.txt", "sizes base/one.c: once it was long\n")
        self.put("base/long.c", "")
        self.assert_red("sizes", "no longer needs an exception")

    def test_same_stem_twice(self):
        self.put("http/one.c", "")
        self.assert_red("names", "http/one.c: base/one.c has the same stem")

    def test_unfinished_work(self):
        self.put("base/one.c", CLEAN + "/* TO" "DO: more */\n")
        self.assert_red("names", "base/one.c:7: an issue is the place")

    def test_cppcheck(self):
        self.put("base/one.c", CLEAN.replace("return 1", "int v[2] = {1, 2};\n    return v[2]"))
        self.assert_red("cppcheck", "arrayIndexOutOfBounds")

    def test_broken_shell(self):
        self.put("tools/run.sh", "#!/bin/bash\nif true; then\n")
        self.assert_red("scripts", "tools/run.sh")

    def test_broken_python(self):
        self.put("tools/run", "#!/usr/bin/env python3\ndef f(:\n")
        self.assert_red("scripts", "tools/run:2:")


if __name__ == "__main__":
    unittest.main()
