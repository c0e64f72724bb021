// The npm package folder: what `npm pack` makes of it, and that it is the script that the server has.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'clients/fairwind');

test('the package has the script that the server has, its types, and the version of the server', async () => {
  const to = mkdtempSync(join(tmpdir(), 'fairwind-package-'));
  try {
    const packed = execFileSync('npm', ['pack', '--json', `--pack-destination=${to}`], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
    const [{ filename, files, version }] = JSON.parse(packed);
    assert.deepEqual(files.map(({ path }) => path).sort(), ['README.md', 'fairwind.d.ts', 'fairwind.js', 'package.json']);
    assert.equal(version, /^version = "(.+)"$/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))?.[1]);
    execFileSync('tar', ['-xf', join(to, filename), '-C', to]);
    for (const file of ['fairwind.js', 'fairwind.d.ts']) {
      assert.equal(readFileSync(join(to, 'package', file), 'utf8'), readFileSync(join(root, 'public', file), 'utf8'));
    }
    const { subscribe, publish } = await import(pathToFileURL(join(to, 'package/fairwind.js')));
    assert.equal(typeof subscribe, 'function');
    assert.equal(typeof publish, 'function');
  } finally {
    rmSync(to, { recursive: true });
  }
});
