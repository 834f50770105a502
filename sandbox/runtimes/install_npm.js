// install_npm.js FILE FOLDER… - installs the npm packages that FILE names (`npm NAME[@RANGE]`), and what they depend on, from the
// tarballs of the folders (as `npm pack` makes them) and the registry that FILE may name (`index npm URL`), below ~/.node_modules,
// where require() finds them. The newest that fits; a second version of a package lies with the one who needs it. Scripts of
// packages are not run.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');

const [file, ...folders] = process.argv.slice(2);
const lines = fs.readFileSync(file, 'utf8').split('\n');
const registry = (lines.find((line) => line.startsWith('index npm ')) || '').slice(10);
const target = path.join(process.env.HOME, '.node_modules');
const NESTED_MAX = 16;

function fail(text) {
  console.log(text);
  process.exit(1);
}

// -- versions, as npm's documentation describes them; one that is not released fits only where it is named exactly --

function version(text) {
  const found = /^[v=]?(\d+)\.(\d+)\.(\d+)(-[\w.-]+)?(\+[\w.-]+)?$/.exec(text.trim());
  return found && { numbers: found.slice(1, 4).map(Number), pre: found[4] || '' };
}

function compare(a, b) {
  const at = [0, 1, 2].find((i) => a[i] !== b[i]);
  return at === undefined ? 0 : a[at] - b[at];
}

// One word of a range, as [from, to): `^1.2` is [1.2.0, 2.0.0).
function limits(word) {
  const found = /^(\^|~>?|>=|<=|>|<|=|)v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?([-+].*)?$/.exec(word);
  if (!found) return fail(`'${word}' is no range of versions`);
  const [, operator, ...texts] = found;
  const given = texts.slice(0, 3).map((text) => (text === undefined || /[xX*]/.test(text) ? null : Number(text)));
  const known = given.indexOf(null) < 0 ? 3 : given.indexOf(null);
  const from = given.map((number, i) => (i < known ? number : 0));
  const next = (i) => (i < 0 ? [Infinity, 0, 0] : from.map((number, k) => (k < i ? number : k === i ? number + 1 : 0)));
  const behind = next(known - 1);
  const caret = from.findIndex((number, i) => number > 0 || i + 1 === known || i === 2);
  return { '': [from, behind], '=': [from, behind], '^': [from, next(known === 0 ? -1 : caret)], '~': [from, next(Math.min(known, 2) - 1)],
    '~>': [from, next(Math.min(known, 2) - 1)], '>=': [from, next(-1)], '<': [[0, 0, 0], from], '>': [behind, next(-1)],
    '<=': [[0, 0, 0], behind] }[operator];
}

function fits(text, range) {
  const found = version(text);
  if (!found) return false;
  return range.split('||').some((part) => {
    const exact = version(part);
    if (found.pre || (exact && exact.pre)) return exact !== null && compare(exact.numbers, found.numbers) === 0 && exact.pre === found.pre;
    const words = part.trim().replace(/(\S+)\s+-\s+(\S+)/, '>=$1 <=$2').replace(/([\^~<>=])\s+/g, '$1').split(/\s+/);
    return words.every((word) => {
      if (word === '' || word === 'latest') return true;
      const [from, to] = limits(word);
      return compare(from, found.numbers) <= 0 && compare(found.numbers, to) < 0;
    });
  });
}

// -- tarballs --

// The regular files of a tarball: [name below its top folder, bytes, executable].
function* entries(tarball, label) {
  const bytes = zlib.gunzipSync(tarball);
  const text = (at, size) => bytes.toString('utf8', at, at + size).replace(/\0.*$/s, '');
  let longName = null;
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8) || 0;
    const type = String.fromCharCode(bytes[at + 156]);
    const body = bytes.subarray(at + 512, at + 512 + size);
    const prefix = text(at + 257, 5) === 'ustar' ? text(at + 345, 155) : '';
    const name = longName || (prefix ? `${prefix}/` : '') + text(at, 100);
    longName = null;
    if (type === 'x') longName = (/^\d+ path=(.*)$/m.exec(body.toString('utf8')) || [])[1] || null;
    else if (type === '0' || type === '\0') yield [name.split('/').slice(1), body, (parseInt(text(at + 100, 8), 8) & 0o100) !== 0];
    else if (type !== '5' && type !== 'g') fail(`${label}: ${name} is no regular file`);
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

function manifest(tarball, label) {
  for (const [parts, body] of entries(tarball, label)) if (parts.join('/') === 'package.json') return JSON.parse(body);
  return fail(`${label} has no package.json`);
}

function unpack(tarball, label, folder) {
  for (const [parts, body, executable] of entries(tarball, label)) {
    if (parts.length === 0 || parts.some((part) => part === '..' || part === '')) fail(`${label}: a name that leads elsewhere`);
    const to = path.join(folder, ...parts);
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.writeFileSync(to, body, { mode: executable ? 0o755 : 0o644 });
  }
}

// -- what there is under a name: [{label, version, dependencies, read}] --

// In the folders: `npm pack` begins the file's name with it.
function offered(name) {
  const begin = `${name.replace(/^@/, '').replace('/', '-')}-`;
  const found = [];
  for (const folder of folders) {
    for (const label of fs.readdirSync(folder)) {
      if (!label.startsWith(begin) || !label.endsWith('.tgz')) continue;
      const tarball = fs.readFileSync(path.join(folder, label));
      const known = manifest(tarball, label);
      if (known.name === name) found.push({ label, version: known.version, dependencies: known.dependencies || {}, read: () => tarball });
    }
  }
  return found;
}

async function ask(url, accept) {
  try {
    const answer = await fetch(url, { headers: { accept }, redirect: 'follow' });
    if (answer.status === 404) return null;
    const body = Buffer.from(await answer.arrayBuffer());
    return answer.ok ? body : fail(`${new URL(url).pathname}: ${answer.status} ${body.toString('utf8', 0, 160)}`);
  } catch (error) {
    return fail(`${new URL(url).pathname}: ${error.cause ? error.cause.message : error.message}`);
  }
}

// Integrity as in the registry's document: "sha512-BASE64", several of them separated by spaces.
function isWhole(tarball, dist) {
  const [, algorithm, sum] = /^(sha\d+)-(\S+)/.exec(dist.integrity || '') || ['', 'sha1', Buffer.from(dist.shasum || '', 'hex').toString('base64')];
  return crypto.createHash(algorithm).update(tarball).digest('base64') === sum;
}

async function download(label, dist) {
  const url = new URL(dist.tarball, registry);
  if (url.origin !== new URL(registry).origin) fail(`${label}: its tarball lies elsewhere: ${url}`);
  const tarball = await ask(url.href, '*/*');
  if (!tarball) fail(`${label}: the registry does not have its tarball`);
  return isWhole(tarball, dist) ? tarball : fail(`${label}: its tarball is not what the registry announces`);
}

async function published(name) {
  if (!registry) return [];
  const text = await ask(registry + name.replace('/', '%2f'), 'application/vnd.npm.install-v1+json, application/json;q=0.8');
  return Object.values(text ? JSON.parse(text).versions || {} : {}).map((each) => {
    const label = `${name} ${each.version}`;
    return { label, version: each.version, dependencies: each.dependencies || {}, read: () => download(label, each.dist) };
  });
}

async function choose({ name, range, by }) {
  const all = [...offered(name), ...await published(name)].filter((each) => version(each.version));
  if (all.length === 0) fail(`${by} needs ${name}, which is not offered here`);
  const fitting = all.filter((each) => fits(each.version, range));
  const newest = (some) => some.reduce((best, each) => (compare(version(each.version).numbers, version(best.version).numbers) > 0 ? each : best));
  if (fitting.length > 0) return newest(fitting);
  return fail(`${by} needs ${name}@${range}; offered are ${all.slice(-12).map((each) => each.version).join(', ')}`);
}

// -- what is asked for, and what that needs --

const placed = new Map(); // versions by folder

// What somebody in these folders finds under a name, the innermost first, as Node.js looks for it.
function found({ name, within }) {
  const folder = [...within.map((each) => path.join(each, 'node_modules', name)), path.join(target, name)].find((each) => placed.has(each));
  return folder && { folder, version: placed.get(folder) };
}

// On top where the name is free, else with the one who needs it.
function place(next, there) {
  if (!there) return path.join(target, next.name);
  if (next.within.length === 0) fail(`${next.by} needs ${next.name}@${next.range}, but ${there.version} is needed too`);
  if (next.within.length > NESTED_MAX) fail(`${next.by} needs ${next.name}@${next.range} in ${NESTED_MAX} others that need other versions`);
  return path.join(next.within[0], 'node_modules', next.name);
}

async function install() {
  const wanted = lines.filter((line) => line.startsWith('npm ')).map((line) => {
    const [, name, range] = /^(@?[^@]+)(?:@(.+))?$/.exec(line.slice(4).trim()) || fail(`'${line}' names no package`);
    return { name, range: range || '*', by: 'the session', within: [] };
  });
  while (wanted.length > 0) {
    const next = wanted.shift();
    const there = found(next);
    if (there && fits(there.version, next.range)) continue;
    const folder = place(next, there);
    const chosen = await choose(next);
    console.log(`installing ${next.name} ${chosen.version}`);
    unpack(await chosen.read(), chosen.label, folder);
    placed.set(folder, chosen.version);
    for (const [name, range] of Object.entries(chosen.dependencies)) wanted.push({ name, range, by: next.name, within: [folder, ...next.within] });
  }
  // ES modules look for others in a folder of this name above them, and nowhere else.
  fs.symlinkSync('.', path.join(target, 'node_modules'));
  console.log(`installed ${[...placed].map(([folder, number]) => `${folder.split('node_modules/').pop()} ${number}`).join(', ')}`);
}

install();
