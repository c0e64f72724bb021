#!/usr/bin/env node
// Makes the site small that `cargo leptos build --release --frontend-only --js-minify=false` has built, before the server
// embeds it: what only a panic's message needs goes (a panic traps, and the console has no more than its stack), exports
// that no page calls go, functions that are alike stand side by side, the long names that the glue and the WebAssembly
// know each other by become short ones, scripts lose their comments, and every file is compressed. Without it the page works as well.
//
// A page may have an entry point of its own: a function that the module exports. Each gets a module with what it reaches, and
// nothing of the others.
//
// It begins with what the linker has made, which must have its relocations: set FAIRWIND_RELOCATIONS for the build.
// Where the files are, and wasm-opt's flags, are in `[package.metadata.leptos]` in Cargo.toml.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { transformSync } from 'esbuild';

import { bySimilarity } from './order.mjs';
import { prune } from './prune.mjs';
import { exportsOf, functionsOf, importsOf, keepExports, nameFunctions, rename } from './wasm.mjs';

/** The entry points: what the module of each is called, and the function that its page calls. The first is that of `/`. */
const ENTRIES = [
  { module: undefined, call: 'hydrate' },
  { module: 'compare', call: 'hydrate_compare' },
  { module: 'quotes', call: 'hydrate_quotes' },
  { module: 'answers', call: 'hydrate_answers' },
];

/** Scripts that readers are to copy: they keep their comments. */
const TO_READ = new Set(['chat.js']);

/** Names as this script gives them. esbuild gives none that begins with a dollar sign and a digit. */
const SHORT = /^\$\d+$/;

const manifest = JSON.parse(run('cargo', ['metadata', '--no-deps', '--locked', '--format-version=1']));
const [{ name: crate, metadata: { leptos: settings } }] = manifest.packages;
const site = settings['site-root'];
const pathOf = (module) => join(site, settings['site-pkg-dir'], module ?? settings['output-name']);

const linked = join(manifest.target_directory, 'front/wasm32-unknown-unknown', settings['lib-profile-release'], `${crate}.wasm`);

const base = pathOf(ENTRIES[0].module);
const built = { wasm: readFileSync(`${base}.wasm`), glue: readFileSync(`${base}.js`, 'utf8') };
if (!importsOf(built.wasm).every((name) => SHORT.test(name))) {
  const folder = mkdtempSync('target/shrink-');
  try {
    for (const { module, call } of ENTRIES) {
      const others = ENTRIES.map((entry) => entry.call).filter((other) => other !== call);
      const { wasm, glue } = shrink(folder, readFileSync(linked), built.glue, new Set(others));
      writeFileSync(`${pathOf(module)}.wasm`, wasm);
      writeFileSync(`${pathOf(module)}.js`, glue);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
for (const file of readdirSync(site)) if (file.endsWith('.js') && !TO_READ.has(file)) minify(join(site, file));
for (const file of readdirSync(site, { recursive: true })) compress(join(site, file));

/** The module and its glue without what only `others`, the other entry points, reach. */
function shrink(folder, linked, builtGlue, others) {
  const [all, kept] = [wordsOf(builtGlue), wordsOf(withoutClasses(builtGlue))];
  // The linked module has its crate's hash in a name that the glue knows without.
  const inGlue = (exported) => exported.replace(/_[0-9a-f]{16}$/, '');
  const isDropped = (exported) => others.has(inGlue(exported)) || (all.has(inGlue(exported)) && !kept.has(inGlue(exported)));
  const bound = bind(folder, prune(linked, isDropped));
  const glue = withoutFunctions(withoutClasses(bound.glue), others);
  const used = wordsOf(glue);
  const alone = keepExports(bound.wasm, (exported) => !others.has(exported));
  const optimized = optimize(folder, alone, ['--converge']);
  const small = optimize(folder, inOrder(keepExports(optimized, (exported) => used.has(exported))), ['--strip-target-features']);
  const pruned = withoutImports(glue, new Set(importsOf(small)));
  const minified = transformSync(pruned, { minify: true, format: 'esm', target: 'es2022' }).code;
  return shortNames(small, minified);
}

/** What wasm-bindgen makes of a linked module, as cargo-leptos calls it. */
function bind(folder, linked) {
  const from = join(folder, 'linked.wasm');
  writeFileSync(from, linked);
  run('wasm-bindgen', ['--target=web', '--out-name=bound', `--out-dir=${folder}`, from]);
  return { wasm: readFileSync(join(folder, 'bound_bg.wasm')), glue: readFileSync(join(folder, 'bound.js'), 'utf8') };
}

/** The module without what no export leads to, its functions in the order of their names. */
function optimize(folder, wasm, flags) {
  const [from, to] = [join(folder, 'from.wasm'), join(folder, 'to.wasm')];
  writeFileSync(from, wasm);
  run('wasm-opt', [...settings['wasm-opt-features'], ...flags, from, '-o', to]);
  return readFileSync(to);
}

/** The module with names for its functions that sort as they are to stand. */
function inOrder(wasm) {
  const names = [];
  for (const [rank, index] of bySimilarity(functionsOf(wasm)).entries()) names[index] = String(rank).padStart(6, '0');
  return nameFunctions(wasm, names);
}

/** The glue without the classes that dependencies export for code which Fairwind does not use. */
function withoutClasses(glue) {
  // What begins at a line's start goes on until the next such line; a line that closes something belongs to it.
  const parts = glue.split(/^(?=[^\s})\]])/m);
  const classes = parts.flatMap((part) => /^export class (\w+)/.exec(part)?.[1] ?? []);
  const isOfClass = (part) => classes.some((name) => new RegExp(`^(?:export class|const|if \\(Symbol.dispose\\)) ${name}`).test(part));
  return parts.filter((part) => !isOfClass(part)).join('');
}

/** The glue without these functions that it exports. */
function withoutFunctions(glue, names) {
  const parts = glue.split(/^(?=[^\s})\]])/m);
  const isOfNames = (part) => names.has(/^export function (\w+)/.exec(part)?.[1]);
  return parts.filter((part) => !isOfNames(part)).join('');
}

/** The glue without the functions that the WebAssembly does not import any more. */
function withoutImports(glue, imported) {
  // Each goes on until the next of them, or the end of the object that they are in.
  const each = /^ {8}(\w+): function\([\s\S]*?(?=^ {8}\w|^ {4}\})/gm;
  return glue.replaceAll(each, (part, name) => (imported.has(name) ? part : ''));
}

/** Both with short names in place of those by which they import from each other. */
function shortNames(wasm, glue) {
  const known = wordsOf(glue);
  // What the page's script calls keeps its name.
  const outside = wordsOf((glue.match(/export\s*\{[^}]*\}|export (?:async )?function [\w$]+/g) ?? []).join(' '));
  const short = new Map();
  for (const name of new Set([...importsOf(wasm), ...exportsOf(wasm)])) {
    if (!known.has(name)) throw new Error(`the glue does not know ${name}`);
    if (!outside.has(name)) short.set(name, `$${short.size}`);
  }
  const inGlue = glue.replaceAll(/[\w$]+/g, (word) => short.get(word) ?? word);
  return { wasm: rename(wasm, (name) => short.get(name) ?? name), glue: Buffer.from(inGlue) };
}

function wordsOf(text) {
  return new Set(text.match(/[\w$]+/g));
}

/** A module of `public` without its comments. */
function minify(path) {
  const { code } = transformSync(readFileSync(path, 'utf8'), { minify: true, format: 'esm', target: 'es2022' });
  writeFileSync(path, code);
}

/** Writes the forms of a file that clients take, unless it is one of them, or a type that only editors read. */
function compress(path) {
  if (/\.(?:br|gz|d\.ts)$/.test(path) || !statSync(path).isFile()) return;
  const content = readFileSync(path);
  writeFileSync(`${path}.br`, smallestBrotli(content));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}

/** With distances coded in that of three ways which suits the content. */
function smallestBrotli(content) {
  const compressed = [0, 1, 2].map((postfix) =>
    brotliCompressSync(content, {
      params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length, [constants.BROTLI_PARAM_NPOSTFIX]: postfix },
    }),
  );
  return compressed.reduce((best, other) => (other.length < best.length ? other : best));
}

function run(command, parameters) {
  return execFileSync(command, parameters, { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 }).toString();
}
