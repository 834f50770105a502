// typescript_strip.js FILE OUTPUT - TypeScript to JavaScript, one file by itself: types are taken away and not checked;
// what is no TypeScript is an error, said as the compiler says it. JSX and namespaces become what tsc would make of them.
'use strict';
const fs = require('fs');
const ts = require('/usr/share/nodejs/typescript/lib/typescript.js');

const [from, to] = process.argv.slice(2);
const source = fs.readFileSync(from, 'utf8');
const made = ts.transpileModule(source, {
  fileName: from,
  reportDiagnostics: true,
  compilerOptions: {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    jsx: ts.JsxEmit.React,
    importsNotUsedAsValues: ts.ImportsNotUsedAsValues.Remove,
    inlineSourceMap: false,
    removeComments: false,
  },
});
if (made.diagnostics.length > 0) {
  const names = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => require('path').dirname(from), getNewLine: () => '\n' };
  process.stderr.write(ts.formatDiagnostics(made.diagnostics, names));
  process.exit(1);
}
// A file whose only import was of types would keep an `export {}`, and so become a module, whose last value nobody sees.
const text = made.outputText.replace(/(^|\n)export \{\};\n*$/, '$1');
fs.writeFileSync(to, text, { flag: 'wx', mode: 0o600 });
