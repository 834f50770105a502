'use strict';
// Runs one file of user code as the main script and tells its completion value, or the uncaught error, on descriptor 3.
// Exit codes and what is printed for an uncaught error are node's own; how the run ended the agent takes from wait().
//
// --warm in the place of the file: waits for its one run on descriptor 4 (warm_message.h). --context: node_context.js.
const fs = require('fs');
const path = require('path');
const util = require('util');
const vm = require('vm');
const nodeModule = require('module');
const { pathToFileURL } = require('url');

const REPORT = 3;
const CONTROL = 4;
const TEXT_MAX = 256 * 1024;
const MESSAGE_MAX = 256 * 1024;

function report(kind, text) {
  let data = Buffer.from(text, 'utf8').subarray(0, TEXT_MAX);
  data = Buffer.concat([Buffer.from(`${kind}${data.length}\n`), data]);
  try {
    while (data.length > 0) data = data.subarray(fs.writeSync(REPORT, data));
  } catch {
    // closed by the code: its own loss
  }
}

function reportText(text) {
  if (Buffer.byteLength(text) > TEXT_MAX) report('C', '');
  report('R', text);
}

function reportValue(value) {
  if (value !== undefined) reportText(util.inspect(value));
}

// The frames of this file and below it are not the user's.
function ownFramesGone(stack) {
  const lines = stack.split('\n');
  const first = lines.findIndex((line) => line.includes(__dirname));
  if (first < 0) return stack;
  let end = first;
  while (end > 0 && /^\s+at .*\(?node:(vm|internal\/vm)/.test(lines[end - 1])) end--;
  return lines.slice(0, end).join('\n');
}

function reportError(error) {
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
}

// vm's modules are experimental, and say so; that they are used is our doing and not the user's.
const emitWarning = process.emitWarning;
function quietly(fn) {
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).includes('VM Modules')) emitWarning.call(process, warning, ...rest);
  };
  try {
    return fn();
  } finally {
    process.emitWarning = emitWarning;
  }
}

// The user's place in the world: a main module in the working folder.
function makeScope(name) {
  const filename = path.join(process.cwd(), name);
  const require = nodeModule.createRequire(filename);
  const main = { exports: {}, id: '.', filename, loaded: false, children: [], paths: [], require };
  require.main = main;
  Object.assign(globalThis, {
    require,
    module: main,
    exports: main.exports,
    __filename: filename,
    __dirname: path.dirname(filename),
  });
  return { name, filename, require, main };
}

// A script of vm has no import() unless it is given one; that needs a flag in languages.yaml.
function importer(scope) {
  return (specifier) => {
    const isFile = /^\.{0,2}\//.test(specifier);
    const isUrl = /^[a-z]+:/.test(specifier);
    let found = specifier;
    if (isFile) found = path.resolve(specifier);
    else if (!isUrl) found = resolvePackage(scope, specifier);
    return quietly(() => import(found));
  };
}

// As require() finds it; what only has an entry for import is found by its name, from here.
function resolvePackage(scope, specifier) {
  try {
    return scope.require.resolve(specifier);
  } catch (error) {
    if (error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return specifier;
    throw error;
  }
}

function stripTypes(source, name) {
  if (!/\.[cm]?ts$/.test(name)) return source;
  if (typeof nodeModule.stripTypeScriptTypes !== 'function')
    throw new Error(`TypeScript needs Node.js 22.13 or later; this environment has ${process.version}`);
  process.emitWarning = () => {};
  try {
    return nodeModule.stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

// Code with import, export or a top-level await is a module. A module has no completion value: its last expression is given
// to a function instead.
async function runModule(source, scope, syntaxError) {
  const { Parser } = require('internal/deps/acorn/acorn/dist/acorn');
  let tree;
  try {
    tree = Parser.parse(source, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true });
  } catch {
    throw syntaxError;
  }
  const last = tree.body[tree.body.length - 1];
  let text = source;
  if (last && last.type === 'ExpressionStatement') {
    const { start, end } = last.expression;
    text = `${source.slice(0, start)}import.meta.last=(${source.slice(start, end)})${source.slice(end)}`;
  }
  const load = importer(scope);
  const meta = {};
  const module = quietly(() => new vm.SourceTextModule(text, {
    identifier: scope.name,
    importModuleDynamically: load,
    initializeImportMeta(made) {
      made.url = pathToFileURL(scope.filename).href;
      Object.defineProperty(made, 'last', { set: (value) => { meta.last = value; } });
    },
  }));
  await module.link(async (specifier) => {
    const found = await load(specifier);
    const names = Object.keys(found);
    return quietly(() => new vm.SyntheticModule(names, function fill() {
      for (const name of names) this.setExport(name, found[name]);
    }, { identifier: specifier }));
  });
  await module.evaluate();
  return { value: await meta.last, exported: module.namespace };
}

// The value may be a promise; a rejection is the caller's.
function runSource(source, scope, options = {}) {
  let script;
  try {
    script = new vm.Script(source, { filename: scope.name, importModuleDynamically: importer(scope) });
  } catch (error) {
    if (!/\b(await|import|export)\b/.test(source)) throw error;
    return runModule(source, scope, error);
  }
  return { value: script.runInThisContext(options), exported: null };
}

function findHandler(scope, exported) {
  const handler = (exported && exported.handler) || scope.main.exports.handler ||
    vm.runInThisContext("typeof handler === 'undefined' ? undefined : handler");
  if (typeof handler !== 'function') throw new TypeError('event: the code has no function handler(event)');
  return handler;
}

// What the agent tells a run beside its environment.
function takeOwn(name) {
  const value = process.env[name];
  delete process.env[name];
  return value;
}

async function callHandler(scope, exported, eventFile) {
  const event = JSON.parse(fs.readFileSync(eventFile, 'utf8'));
  const answer = await findHandler(scope, exported)(event);
  if (answer !== undefined) reportText(JSON.stringify(answer));
}

function isThenable(value) {
  return value !== null && typeof value === 'object' && typeof value.then === 'function';
}

function readCode(file, name) {
  return stripTypes(fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, ''), name);
}

function runMain(file, name, args) {
  const eventFile = takeOwn('SPILLWAY_EVENT');
  const scope = makeScope(name);
  process.argv = [process.argv[0], scope.filename, ...args];
  const ran = runSource(readCode(file, name), scope);
  const tell = ({ value, exported }) => {
    if (eventFile) return callHandler(scope, exported, eventFile);
    // Two handlers on purpose: a rejection stays unhandled, and ends the run as node ends it.
    if (isThenable(value)) return value.then(reportValue);
    return reportValue(value);
  };
  if (isThenable(ran)) ran.then(tell);
  else tell(ran);
}

function setEnvironment(pairs) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    process.env[pair.slice(0, at)] = pair.slice(at + 1);
  }
}

// What every run does, with nothing said and nothing changed: what is compiled now need not be then.
function rehearse() {
  const { stdout } = process;
  stdout.write = () => true;
  process.chdir(process.cwd());
  setEnvironment(Object.entries(process.env).map(([name, value]) => `${name}=${value}`));
  const { value } = runSource("console.log('%s', 1, {}); 1", makeScope('main.js'));
  delete stdout.write;
  stdout.write('', () => {});
  process._tickCallback?.(); // what that left for later: nothing of it waits for the run
  fs.closeSync(fs.openSync(__filename));
  process.listenerCount('exit');
  reportValue(takeOwn('SPILLWAY_EVENT'));
  Buffer.from('1').toString('utf8', 0, 1);
  util.inspect([value, process.stderr.fd, isThenable(value), readCode(__filename, 'main.js').length]);
}

// As a cold start would have begun, but for the time since.
function awaitRun() {
  const buffer = Buffer.alloc(MESSAGE_MAX);
  let length = 0;
  rehearse();
  try {
    fs.writeSync(CONTROL, 'R');
    length = fs.readSync(CONTROL, buffer);
    if (length > 0) fs.writeSync(CONTROL, 'T'); // from here on it has begun
  } catch {
    length = 0; // nobody listens any more
  }
  if (length === 0) process.exit(0);
  fs.closeSync(CONTROL);
  const texts = buffer.toString('utf8', 0, length).split('\0').slice(0, -1);
  const count = Number(texts[1]);
  process.chdir(texts[0]);
  setEnvironment(texts.slice(2 + count));
  return texts.slice(2, 2 + count);
}

// The end without taking the engine apart, where nobody else listens for it.
function endQuickly() {
  let failed = false;
  process.on('uncaughtExceptionMonitor', () => { failed = true; }); // node prints it behind the event
  process.on('exit', (code) => {
    if (!failed && process.listenerCount('exit') === 1) process.reallyExit(code);
  });
}

module.exports = { REPORT, CONTROL, reportError, reportValue, makeScope, runSource, readCode, callHandler, takeOwn, isThenable };

function begin([first, ...rest]) {
  process.execArgv = []; // ours; what the code starts begins without them
  if (first === '--context') {
    require('./node_context.js').serve();
    return;
  }
  process.on('uncaughtExceptionMonitor', reportError);
  endQuickly();
  const [file, name, ...args] = first === '--warm' ? awaitRun() : [first, ...rest];
  runMain(file, name, args);
}

begin(process.argv.slice(2));
