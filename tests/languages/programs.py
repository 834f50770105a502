"""What each language is asked to do, and how its answer looks. The same programs make docs/languages.md (write_page.py).

`hello` says hello, `lines` reads standard input line by line and answers with the number of lines and the characters of each,
`unicode` writes text that is no ASCII, `broken` is not of the language, `wrong` fails while it runs, `forever` does not end, `status`
ends with exit code 7. `compiled`: mistakes are found before it runs.
"""
TEXT = "grüße, 世界 🌍"


class Language:
    def __init__(self, name, environment, compiled=False, **programs):
        self.name, self.environment, self.compiled = name, environment, compiled
        self.programs = programs


LANGUAGES = [
    Language("python", "python",
             hello='print("hello")', unicode=f'print("{TEXT}")', broken="def (:", wrong="1 / 0", forever="while True: pass",
             lines='import sys\nfor line in sys.stdin:\n    print(len(line.rstrip("\\n")))', status="import sys\nsys.exit(7)"),
    Language("nodejs", "node",
             hello='console.log("hello")', unicode=f'console.log("{TEXT}")', broken="let = (;", wrong="null.x", forever="for (;;);",
             lines='for (const line of require("fs").readFileSync(0, "utf8").trimEnd().split("\\n")) console.log([...line].length)',
             status="process.exit(7)"),
    Language("typescript", "node", compiled=True,
             hello='const to: string = "hello";\nconsole.log(to)', unicode=f'console.log("{TEXT}" as string)', broken="let x: = ;",
             wrong="interface A { b: { c: number } }\n(JSON.parse('{}') as A).b.c", forever="for (;;) {}",
             lines='import { readFileSync } from "fs";\nconst all: string = readFileSync(0, "utf8");\n'
                   'for (const line of all.trimEnd().split("\\n")) console.log([...line].length)',
             status="process.exit(7 as number)"),
    Language("bash", "python",
             hello="echo hello", unicode=f'echo "{TEXT}"', broken="if then (", wrong="set -e\nls /no/such/place", forever="while :; do :; done",
             lines='while IFS= read -r line; do echo "${#line}"; done', status="exit 7"),
    Language("c", "native", compiled=True,
             hello='#include <stdio.h>\nint main(void) { puts("hello"); return 0; }',
             unicode=f'#include <stdio.h>\nint main(void) {{ puts("{TEXT}"); return 0; }}', broken="int main(void) { return x; }",
             wrong="#include <stdlib.h>\nint main(void) { abort(); }", forever="int main(void) { volatile int i = 0; for (;;) i++; }",
             lines='#include <locale.h>\n#include <stdio.h>\n#include <wchar.h>\n\nint main(void)\n{\n    wint_t c;\n    int n = 0;\n'
                   '    setlocale(LC_ALL, "C.UTF-8");\n    while ((c = getwchar()) != WEOF) {\n'
                   "        if (c != L'\\n')\n            n++;\n        else\n            wprintf(L\"%d\\n\", n), n = 0;\n    }\n    return 0;\n}",
             status="int main(void) { return 7; }"),
    Language("cpp", "native", compiled=True,
             hello='#include <iostream>\nint main() { std::cout << "hello\\n"; }',
             unicode=f'#include <iostream>\nint main() {{ std::cout << "{TEXT}\\n"; }}', broken="int main() { return undeclared; }",
             wrong='#include <stdexcept>\nint main() { throw std::runtime_error("wrong"); }',
             forever="int main() { volatile int i = 0; for (;;) i = i + 1; }",
             lines='#include <iostream>\n#include <string>\n\nint main()\n{\n    for (std::string line; std::getline(std::cin, line);) {\n'
                   "        int n = 0;\n        for (unsigned char c : line)\n            n += (c & 0xC0) != 0x80;\n"
                   '        std::cout << n << "\\n";\n    }\n}',
             status="int main() { return 7; }"),
    Language("go", "native", compiled=True,
             hello='package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hello")\n}',
             unicode=f'package main\n\nimport "fmt"\n\nfunc main() {{\n\tfmt.Println("{TEXT}")\n}}', broken="package main\n\nfunc main() { x }",
             wrong='package main\n\nfunc main() {\n\tvar m map[string]int\n\tm["a"] = 1\n}', forever="package main\n\nfunc main() {\n\tfor {\n\t}\n}",
             lines='package main\n\nimport (\n\t"bufio"\n\t"fmt"\n\t"os"\n\t"unicode/utf8"\n)\n\nfunc main() {\n\tin := bufio.NewScanner(os.Stdin)\n'
                   "\tfor in.Scan() {\n\t\tfmt.Println(utf8.RuneCountInString(in.Text()))\n\t}\n}",
             status='package main\n\nimport "os"\n\nfunc main() {\n\tos.Exit(7)\n}'),
    Language("rust", "native", compiled=True,
             hello='fn main() {\n    println!("hello");\n}', unicode=f'fn main() {{\n    println!("{TEXT}");\n}}',
             broken="fn main() { let x: i32 = \"text\"; }", wrong='fn main() {\n    let v: Vec<i32> = Vec::new();\n    println!("{}", v[0]);\n}',
             forever="fn main() {\n    loop {}\n}",
             lines='use std::io::{self, BufRead};\n\nfn main() {\n    for line in io::stdin().lock().lines() {\n'
                   '        println!("{}", line.unwrap().chars().count());\n    }\n}',
             status="fn main() {\n    std::process::exit(7);\n}"),
    Language("java", "jvm", compiled=True,
             hello='public class Main {\n    public static void main(String[] args) {\n        System.out.println("hello");\n    }\n}',
             unicode='import java.io.PrintStream;\n\npublic class Main {\n    public static void main(String[] args) throws Exception {\n'
                     f'        new PrintStream(System.out, true, "UTF-8").println("{TEXT}");\n    }}\n}}',
             broken="public class Main { int x = \"text\"; }",
             wrong="public class Main {\n    public static void main(String[] args) {\n        int[] a = new int[1];\n        System.out.println(a[1]);\n    }\n}",
             forever="public class Main {\n    public static void main(String[] args) {\n        for (;;);\n    }\n}",
             lines='import java.io.*;\n\npublic class Main {\n    public static void main(String[] args) throws IOException {\n'
                   '        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));\n'
                   "        for (String line; (line = in.readLine()) != null;)\n"
                   "            System.out.println(line.codePointCount(0, line.length()));\n    }\n}",
             status="public class Main {\n    public static void main(String[] args) {\n        System.exit(7);\n    }\n}"),
    Language("php", "scripting",
             hello='<?php echo "hello\\n";', unicode=f'<?php echo "{TEXT}\\n";', broken="<?php echo (;", wrong='<?php throw new Exception("wrong");',
             forever="<?php for (;;);", lines='<?php\nwhile (($line = fgets(STDIN)) !== false)\n    echo count(preg_split("//u", rtrim($line, "\\n"), -1, '
                                              'PREG_SPLIT_NO_EMPTY)), "\\n";', status="<?php exit(7);"),
    Language("perl", "scripting",
             hello='print "hello\\n";', unicode=f'print "{TEXT}\\n";', broken="my ($x = ;", wrong='die "wrong";', forever="1 while 1;",
             lines='use open qw(:std :utf8);\nwhile (my $line = <STDIN>) {\n    chomp $line;\n    print length($line), "\\n";\n}', status="exit 7;"),
    Language("ruby", "scripting",
             hello='puts "hello"', unicode=f'puts "{TEXT}"', broken="def (", wrong='raise "wrong"', forever="loop {}",
             lines="STDIN.each_line { |line| puts line.chomp.length }", status="exit 7"),
    Language("r", "scripting",
             hello='cat("hello\\n")', unicode=f'cat("{TEXT}\\n")', broken="x <- (", wrong='stop("wrong")', forever="repeat {}",
             lines='for (line in readLines(file("stdin"), encoding = "UTF-8")) cat(nchar(line), "\\n", sep = "")', status="quit(status = 7)"),
]
