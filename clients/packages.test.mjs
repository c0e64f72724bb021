// The npm package folders: what `npm pack` makes of them, that they need nothing else, and how large they are.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliCompressSync } from 'node:zlib';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Unpacks what `npm pack` makes of a folder. @param {import('node:test').TestContext} test @param {string} name */
function pack(test, name) {
  const to = mkdtempSync(join(tmpdir(), 'fairwind-package-'));
  test.after(() => rmSync(to, { recursive: true }));
  const packed = execFileSync('npm', ['pack', '--json', `--pack-destination=${to}`], { cwd: join(root, 'clients', name), stdio: ['ignore', 'pipe', 'ignore'] });
  const [{ filename, files }] = JSON.parse(packed.toString());
  execFileSync('tar', ['-xf', join(to, filename), '-C', to]);
  const folder = join(to, 'package');
  return {
    files: files.map((/** @type {{ path: string }} */ { path }) => path).sort(),
    manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
    read: (/** @type {string} */ file) => readFileSync(join(folder, file), 'utf8'),
    load: (/** @type {string} */ file) => import(pathToFileURL(join(folder, file)).href),
  };
}

for (const name of ['fairwind', 'ai']) {
  test(`${name}: the package has the version of the server, and no dependencies`, (test) => {
    const { manifest } = pack(test, name);
    assert.equal(manifest.version, /^version = "(.+)"$/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))?.[1]);
    assert.equal(manifest.dependencies, undefined);
  });
}

test('fairwind: the package has the script that the server has, and its types', async (test) => {
  const { files, read, load } = pack(test, 'fairwind');
  assert.deepEqual(files, ['README.md', 'fairwind.d.ts', 'fairwind.js', 'package.json']);
  for (const file of ['fairwind.js', 'fairwind.d.ts']) assert.equal(read(file), readFileSync(join(root, 'public', file), 'utf8'));
  const { subscribe, publish } = await load('fairwind.js');
  assert.equal(typeof subscribe, 'function');
  assert.equal(typeof publish, 'function');
});

test("ai: the chat server's half needs no other package, and what a page loads is below 6 kB with brotli", async (test) => {
  const { files, manifest, read, load } = pack(test, 'ai');
  const code = ['server.js', 'topic.js', 'transport.js'];
  assert.deepEqual(files, ['README.md', ...code, ...code.map((file) => file.replace('.js', '.d.ts')), 'package.json'].sort());
  assert.deepEqual(Object.keys(manifest.peerDependencies), ['ai']);
  const { publishAnswer, stopAnswer, createResumableStreamContext } = await load('server.js');
  for (const each of [publishAnswer, stopAnswer, createResumableStreamContext]) assert.equal(typeof each, 'function');
  const size = (/** @type {string[]} */ ...files) => brotliCompressSync(files.map(read).join('')).length;
  test.diagnostic(`a page loads ${size('transport.js', 'topic.js')} bytes, a chat server ${size('server.js', 'topic.js')}`);
  assert(size('transport.js', 'topic.js') < 6_000);
});
