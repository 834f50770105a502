'use strict';
// A Node.js that stays: reads what to run on descriptor 4 (a number of texts, then the texts, each ended by a NUL: folder,
// number of arguments, the code's file, its name, arguments, environment) and says D and its exit code there. Variables of the
// top level stay, timers go on; SIGINT ends a program and keeps the context.
const fs = require('fs');
const net = require('net');
const runner = require('./node_runner.js');

let socket;
let running = null; // settles the program that runs

// process.stdin is a stream that ends once; every program gets one of its own.
function setInput(file) {
  fs.closeSync(0);
  fs.openSync(file, 'r');
  let stream;
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    enumerable: true,
    get() {
      stream ??= Object.assign(fs.createReadStream(null, { fd: 0, autoClose: false }), { fd: 0 });
      return stream;
    },
  });
}

function setEnv(pairs) {
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    process.env[pair.slice(0, at)] = pair.slice(at + 1);
  }
}

async function runProgram(texts, interrupted) {
  const count = Number(texts[1]);
  const [file, name, ...args] = texts.slice(2, 2 + count);
  setEnv(texts.slice(2 + count));
  setInput(runner.takeOwn('SPILLWAY_STDIN') ?? '/dev/null');
  const eventFile = runner.takeOwn('SPILLWAY_EVENT');
  if (texts[0]) process.chdir(texts[0]);
  const scope = runner.makeScope(name);
  process.argv = [process.argv[0], scope.filename, ...args];
  let ran = runner.runSource(runner.readCode(file, name), scope, { breakOnSigint: true });
  if (runner.isThenable(ran)) ran = await Promise.race([ran, interrupted]);
  if (eventFile) return Promise.race([runner.callHandler(scope, ran.exported, eventFile), interrupted]);
  const value = runner.isThenable(ran.value) ? await Promise.race([ran.value, interrupted]) : ran.value;
  return runner.reportValue(value);
}

function showError(error) {
  runner.reportError(error);
  process.stderr.write(`${error && error.stack ? error.stack : `Uncaught ${String(error)}`}\n`);
}

async function program(texts) {
  let code = 0;
  const interrupted = new Promise((_, reject) => { running = reject; });
  interrupted.catch(() => {});
  process.exitCode = undefined;
  try {
    await runProgram(texts, interrupted);
  } catch (error) {
    showError(error);
    code = 1;
  }
  running = null;
  await Promise.all([process.stdout, process.stderr].map(flushed));
  socket.write(`D${Number(process.exitCode) || code}\n`);
}

// A full pipe makes a stream keep what it has; it belongs to this program.
function flushed(stream) {
  return new Promise((resolve) => {
    if (stream.writableLength > 0 && !stream.destroyed) stream.write('', resolve);
    else resolve();
  });
}

// What fails later, in a timer of a program that is done, does not take the context with it.
function onStray(error) {
  if (running) running(error);
  else process.stderr.write(`${error && error.stack ? error.stack : String(error)}\n`);
}

function serve() {
  let texts = [];
  let rest = Buffer.alloc(0);
  process.on('uncaughtException', onStray);
  process.on('unhandledRejection', onStray);
  process.on('SIGINT', () => {
    if (running) running(new Error('The program was interrupted'));
  });
  socket = new net.Socket({ fd: runner.CONTROL, readable: true, writable: true });
  socket.on('end', () => process.exit(0));
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data]);
    for (let at = rest.indexOf(0); at >= 0; at = rest.indexOf(0)) {
      texts.push(rest.toString('utf8', 0, at));
      rest = rest.subarray(at + 1);
    }
    if (texts.length > 0 && texts.length > Number(texts[0])) {
      const whole = texts.slice(1);
      texts = [];
      program(whole);
    }
  });
  socket.write('R\n');
}

module.exports = { serve };
