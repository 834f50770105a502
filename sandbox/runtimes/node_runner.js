'use strict';
// Runs one file of user code as the main script and tells its completion value, or the uncaught error, on descriptor 3.
// Exit codes and what is printed for an uncaught error are node's own; how the run ended the agent takes from wait().
const fs = require('fs');
const path = require('path');
const util = require('util');
const vm = require('vm');
const { createRequire } = require('module');

const REPORT = 3;
const TEXT_MAX = 256 * 1024;

function report(kind, text) {
  let data = Buffer.from(text, 'utf8').subarray(0, TEXT_MAX);
  data = Buffer.concat([Buffer.from(`${kind}${data.length}\n`), data]);
  try {
    while (data.length > 0) data = data.subarray(fs.writeSync(REPORT, data));
  } catch {
    // closed by the code: its own loss
  }
}

function reportValue(value) {
  if (value === undefined) return;
  const text = util.inspect(value);
  if (Buffer.byteLength(text) > TEXT_MAX) report('C', '');
  report('R', text);
}

// The frames of this file and below it are not the user's.
function ownFramesGone(stack) {
  const lines = stack.split('\n');
  const first = lines.findIndex((line) => line.includes(__filename));
  if (first < 0) return stack;
  let end = first;
  while (end > 0 && /^\s+at .*\(?node:vm:/.test(lines[end - 1])) end--;
  return lines.slice(0, end).join('\n');
}

process.on('uncaughtExceptionMonitor', (error) => {
  if (error instanceof Error || (error && typeof error.stack === 'string')) {
    try {
      error.stack = ownFramesGone(String(error.stack));
    } catch {
      // frozen: shown as it is
    }
    report('N', String(error.name || 'Error'));
    report('V', String(error.message).slice(0, 16 * 1024));
    report('B', String(error.stack).slice(0, 64 * 1024));
    return;
  }
  report('N', 'Uncaught');
  report('V', util.inspect(error).slice(0, 16 * 1024));
});

const [, , file, name, ...args] = process.argv;
const source = fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
const filename = path.join(process.cwd(), name);
process.argv = [process.argv[0], filename, ...args];
const userRequire = createRequire(filename);
const main = { exports: {}, id: '.', filename, loaded: false, children: [], paths: [], require: userRequire };
userRequire.main = main;
Object.assign(globalThis, {
  require: userRequire,
  module: main,
  exports: main.exports,
  __filename: filename,
  __dirname: path.dirname(filename),
});

// A script of vm has no import() unless it is given one. That needs the flag in languages.yaml and warns of it, which is our
// doing and not the user's.
function importForCode(specifier) {
  const isFile = /^\.{0,2}\//.test(specifier);
  const isUrl = /^[a-z]+:/.test(specifier);
  const found = isFile ? path.resolve(specifier) : isUrl ? specifier : userRequire.resolve(specifier);
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).includes('VM Modules')) emitWarning.call(process, warning, ...rest);
  };
  return import(found).finally(() => {
    process.emitWarning = emitWarning;
  });
}

const script = new vm.Script(source, { filename: name, importModuleDynamically: importForCode });
const value = script.runInThisContext();
if (value !== null && typeof value === 'object' && typeof value.then === 'function') {
  // Two handlers on purpose: a rejection stays unhandled, and ends the run as node ends it.
  value.then(reportValue);
} else {
  reportValue(value);
}
