// Run with `node --test`. Needs the WebAssembly target of scripts/setup.sh: a small module is compiled in about a second.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { prune } from './prune.mjs';
import { importsOf } from './wasm.mjs';

const SOURCE = `
use std::error::Error;

extern "C" { fn now() -> usize; }

static TABLE: [usize; 3] = [10, 20, 30];

#[derive(Debug)]
struct Odd { said_by_debug: usize }

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "said by display {}", self.said_by_debug) }
}

impl Error for Odd {}

#[inline(never)]
fn check(number: usize) -> Result<usize, Box<dyn Error>> {
    if number % 2 == 0 { Ok(number) } else { Err(Box::new(Odd { said_by_debug: number })) }
}

#[no_mangle] extern "C" fn entry(index: usize) -> usize { TABLE[index] }
#[no_mangle] extern "C" fn half(number: usize) -> usize { check(number).expect("said by expect") / 2 }
#[no_mangle] extern "C" fn error_length(number: usize) -> usize { check(number).map_or_else(|error| error.to_string().len(), |_| 0) }
#[no_mangle] extern "C" fn debug_length(number: usize) -> usize { format!("{:?}", Some(number)).len() }
#[no_mangle] extern "C" fn unused() -> usize { unsafe { now() } }
`;

/** @returns {Buffer} the module of SOURCE, with its relocations */
function link() {
  const folder = mkdtempSync(join(tmpdir(), 'prune-'));
  try {
    const source = join(folder, 'source.rs');
    writeFileSync(source, SOURCE);
    const flags = ['--edition=2021', '--crate-type=cdylib', '--target=wasm32-unknown-unknown', '-O', '-Cpanic=abort', '-Clto'];
    execFileSync('rustc', [...flags, '-Clink-arg=--emit-relocs', '-o', join(folder, 'linked.wasm'), source]);
    return readFileSync(join(folder, 'linked.wasm'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const linked = link();
const pruned = prune(linked, (name) => name === 'unused');
const calls = (wasm) => new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: { now: () => 7 } }).exports;

test('what does not panic works as before', () => {
  for (const { entry, half, error_length, debug_length } of [calls(linked), calls(pruned)]) {
    assert.deepEqual([entry(0), entry(2), half(8)], [10, 30, 4]);
    assert.deepEqual([error_length(4), error_length(5), debug_length(123)], [0, 'said by display 5'.length, 'Some(123)'.length]);
  }
});

test('an export that is dropped traps, since what it alone reaches is gone', () => {
  assert.equal(calls(linked).unused(), 7);
  assert.throws(() => calls(pruned).unused(), WebAssembly.RuntimeError);
});

test('a panic traps', () => {
  const { entry, half } = calls(pruned);
  for (const panic of [() => entry(3), () => half(5)]) {
    assert.throws(panic, (error) => error instanceof WebAssembly.RuntimeError && /unreachable/.test(error.message));
  }
});

test('exports and imports stay, relocations go', () => {
  const namesOf = (wasm) => WebAssembly.Module.exports(new WebAssembly.Module(wasm)).map(({ name }) => name);
  assert.deepEqual(namesOf(pruned), namesOf(linked));
  assert.deepEqual(importsOf(pruned), importsOf(linked));
  for (const name of ['linking', 'reloc.CODE', 'reloc.DATA']) {
    assert.equal(WebAssembly.Module.customSections(new WebAssembly.Module(linked), name).length, 1);
    assert.equal(WebAssembly.Module.customSections(new WebAssembly.Module(pruned), name).length, 0);
  }
});

test('what only a panic would print goes', () => {
  const texts = ['source.rs', 'index out of bounds', 'said_by_debug', 'said by display'];
  const kept = (wasm) => texts.filter((text) => wasm.includes(text));
  assert.deepEqual(kept(linked), texts);
  assert.deepEqual(kept(pruned), ['said by display']);
});

test('a module without relocations is refused', () => {
  assert.throws(() => prune(pruned, () => false), /FAIRWIND_RELOCATIONS/);
});
