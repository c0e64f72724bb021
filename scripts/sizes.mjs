#!/usr/bin/env node
// Prints what the first visit of each page costs over the wire: its HTML and what that loads, with brotli, as the release
// binary serves it. Fails when a page is over its limit.

import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';

const BINARY = process.argv[2] ?? 'target/release/fairwind';
/** Of the page `/`, which every reader loads first, of one that renders Markdown, and of any other, in bytes. */
const [LIMIT, LIMIT_OF_MARKDOWN, LIMIT_OF_OTHERS] = [90_000, 160_000, 130_000];
const PAGES = [
  '/', '/topics', '/topics/x', '/help', '/compare', '/quotes', '/answers', '/chat', '/chat/x', '/notifications',
];
/** Pages that come alive by WebAssembly. */
const HYDRATED = ['/', '/topics/x', '/compare', '/quotes', '/answers'];

/** Resolves to the body as it travels, and as the page sees it. */
function fetchOnce(url) {
  return new Promise((resolve, reject) => {
    get(url, { headers: { accept: 'text/html,*/*', 'accept-encoding': 'br' } }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`${url}: status ${response.statusCode}`));
        const body = Buffer.concat(chunks);
        const compressed = response.headers['content-encoding'] === 'br';
        resolve({
          sent: body.length,
          brotli: compressed ? body.length : brotliCompressSync(body).length,
          text: () => (compressed ? brotliDecompressSync(body) : body).toString(),
        });
      });
    }).on('error', reject);
  });
}

/** Prints what a page costs; gives whether that is within its limit. */
async function measure(origin, path) {
  const page = await fetchOnce(origin + path);
  // The styles, the glue and the WebAssembly stand in the page's head: as links, and as the script's imports.
  const loaded = [...page.text().matchAll(/["'(](\/[^"'()\s]+\.(?:css|js|wasm))["')]/g)].map((match) => match[1]);
  const kinds = HYDRATED.includes(path) ? ['.css', '.js', '.wasm'] : ['.css'];
  for (const kind of kinds) {
    if (!loaded.some((file) => file.endsWith(kind))) throw new Error(`${path} names no ${kind} file`);
  }
  const rows = [[path, page]];
  for (const file of [...new Set(loaded)].sort()) rows.push([file, await fetchOnce(origin + file)]);
  const limit = { '/': LIMIT, '/answers': LIMIT_OF_MARKDOWN }[path] ?? LIMIT_OF_OTHERS;
  let total = 0;
  for (const [name, { brotli, sent }] of rows) {
    total += brotli;
    const note = sent === brotli ? '' : `   (the server sent ${sent} bytes, not compressed)`;
    console.log(`${String(brotli).padStart(8)}  ${name}${note}`);
  }
  console.log(`${String(total).padStart(8)}  bytes with brotli in all; the limit of ${path} is ${limit}\n`);
  return total <= limit;
}

const server = spawn(BINARY, ['--addr', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] });
try {
  const origin = await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('exit', (code) => reject(new Error(`the server ended with status ${code}`)));
    createInterface(server.stdout).on('line', (line) => {
      const match = /^listening on (http:\S+)$/.exec(line);
      if (match) resolve(match[1]);
    });
  });
  for (const path of PAGES) {
    if (!(await measure(origin, path))) process.exitCode = 1;
  }
} finally {
  server.removeAllListeners('exit');
  server.kill();
}
