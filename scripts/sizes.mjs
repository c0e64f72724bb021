#!/usr/bin/env node
// Prints what the first visit of `/` costs over the wire: its HTML and what that loads, with brotli, as the release
// binary serves it. Fails when all of it together is over the limit.

import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';

const BINARY = process.argv[2] ?? 'target/release/fairwind';
const LIMIT = 90_000; // bytes

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

  const page = await fetchOnce(origin + '/');
  const html = page.text();
  // The styles, the glue and the WebAssembly stand in the page's head: as links, and as the script's imports.
  const paths = new Set([...html.matchAll(/["'(](\/[^"'()\s]+\.(?:css|js|wasm))["')]/g)].map((match) => match[1]));
  const rows = [['/', page]];
  for (const path of [...paths].sort()) rows.push([path, await fetchOnce(origin + path)]);
  for (const kind of ['.css', '.js', '.wasm']) {
    if (![...paths].some((path) => path.endsWith(kind))) throw new Error(`the page names no ${kind} file`);
  }

  let total = 0;
  for (const [path, { brotli, sent }] of rows) {
    total += brotli;
    const note = sent === brotli ? '' : `   (the server sent ${sent} bytes, not compressed)`;
    console.log(`${String(brotli).padStart(8)}  ${path}${note}`);
  }
  console.log(`${String(total).padStart(8)}  bytes with brotli in all; the limit is ${LIMIT}`);
  if (total > LIMIT) process.exitCode = 1;
} finally {
  server.removeAllListeners('exit');
  server.kill();
}
