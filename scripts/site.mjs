#!/usr/bin/env node
// Builds the site that the release binary embeds, as `[package.metadata.leptos]` in Cargo.toml describes it: the browser's
// half as WebAssembly with its JavaScript glue, the stylesheet, and the files of public/, each also compressed.
//
// It does what `cargo leptos build --release --precompress --frontend-only` does, without the minutes that compiling
// cargo-leptos takes, and makes the result smaller: exports that no page calls go, functions that are alike stand side by
// side, and the long names that the glue and the WebAssembly know each other by become short ones.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import browserslist from 'browserslist';
import { transformSync } from 'esbuild';
import { browserslistToTargets, bundle } from 'lightningcss';

import { bySimilarity } from './order.mjs';
import { exportsOf, functionsOf, importsOf, keepExports, nameFunctions, rename } from './wasm.mjs';

const manifest = JSON.parse(run('cargo', ['metadata', '--no-deps', '--locked', '--format-version=1']));
const [{ name: crate, metadata }] = manifest.packages;
const settings = metadata.leptos;
const site = settings['site-root'];
const output = join(site, settings['site-pkg-dir']);
const built = 'target/front';
const name = settings['output-name'];

const files = new Map();
const { wasm, glue } = browserHalf();
files.set(join(output, `${name}.wasm`), wasm);
files.set(join(output, `${name}.js`), glue);
files.set(join(output, `${name}.css`), stylesheet());
for (const file of filesBelow(settings['assets-dir'])) {
  files.set(join(site, file), readFileSync(join(settings['assets-dir'], file)));
}
write();

/** The WebAssembly and the JavaScript that loads it. */
function browserHalf() {
  const profile = settings['lib-profile-release'];
  run('cargo', [
    'build', '--locked', '--lib', `--package=${crate}`, `--target-dir=${built}`, '--target=wasm32-unknown-unknown',
    '--no-default-features', `--features=${settings['lib-features'].join(',')}`, `--profile=${profile}`,
  ], { LEPTOS_OUTPUT_NAME: name });
  const linked = join(built, 'wasm32-unknown-unknown', profile, `${crate.replaceAll('-', '_')}.wasm`);
  const folder = join(built, 'bindgen');
  rmSync(folder, { recursive: true, force: true });
  run('wasm-bindgen', ['--target=web', '--no-typescript', `--out-name=${name}`, `--out-dir=${folder}`, linked]);

  const long = withoutClasses(readFileSync(join(folder, `${name}.js`), 'utf8'));
  const [bound, small] = [join(folder, 'bound.wasm'), join(folder, 'small.wasm')];
  const used = wordsOf(long);
  writeFileSync(bound, keepExports(readFileSync(join(folder, `${name}_bg.wasm`)), (exported) => used.has(exported)));
  const flags = settings['wasm-opt-features'];
  // The second time puts the functions into the order of the names that they have then, and needs to know the features.
  run('wasm-opt', [...flags.filter((flag) => flag !== '--strip-target-features'), bound, '-o', small]);
  writeFileSync(bound, inOrder(readFileSync(small)));
  run('wasm-opt', [...flags.filter((flag) => flag !== '--converge'), bound, '-o', small]);
  const optimized = readFileSync(small);

  const pruned = withoutImports(long, new Set(importsOf(optimized)));
  const minified = transformSync(pruned, { minify: true, format: 'esm', target: 'es2022' }).code;
  return shortNames(optimized, minified);
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
    // esbuild gives no name that begins with a dollar sign and a digit.
    if (!outside.has(name)) short.set(name, `$${short.size}`);
  }
  const inGlue = glue.replaceAll(/[\w$]+/g, (word) => short.get(word) ?? word);
  return { wasm: rename(wasm, (name) => short.get(name) ?? name), glue: Buffer.from(inGlue) };
}

function wordsOf(text) {
  return new Set(text.match(/[\w$]+/g));
}

function stylesheet() {
  const { code } = bundle({
    filename: settings['style-file'],
    minify: true,
    targets: browserslistToTargets(browserslist(settings.browserquery)),
  });
  return code;
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true }).filter((file) => statSync(join(folder, file)).isFile());
}

/** Writes what has changed, and compresses it; a file that is no part of the site any more goes. */
function write() {
  for (const [path, content] of files) {
    mkdirSync(join(path, '..'), { recursive: true });
    if (isSame(path, content)) continue;
    // A file that has other links is replaced, not written into.
    for (const old of [path, `${path}.br`, `${path}.gz`]) rmSync(old, { force: true });
    const quality = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    writeFileSync(path, content);
    writeFileSync(`${path}.br`, brotliCompressSync(content, { params: quality }));
    writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  }
  for (const file of filesBelow(site)) {
    const path = join(site, file);
    if (!files.has(path.replace(/\.(?:br|gz)$/, ''))) rmSync(path);
  }
}

function isSame(path, content) {
  try {
    return [`${path}.br`, `${path}.gz`].every((coded) => statSync(coded).isFile()) && readFileSync(path).equals(content);
  } catch {
    return false;
  }
}

function run(command, parameters, variables = {}) {
  const env = { ...process.env, ...variables };
  const stdio = ['ignore', 'pipe', 'inherit'];
  return execFileSync(command, parameters, { env, stdio, maxBuffer: 1 << 26 }).toString();
}
