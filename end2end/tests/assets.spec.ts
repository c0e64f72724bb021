import { get, type IncomingHttpHeaders } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

import { expect, test } from '../fixtures.ts';

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer };

/** Asks without decoding: the bytes as they travel. */
function ask(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    }).on('error', reject);
  });
}

/** What the page loads of its own: paths by their extension. */
async function pagePaths(origin: string): Promise<Map<string, string>> {
  const html = (await ask(`${origin}/`)).body.toString();
  const paths = [...html.matchAll(/["'(](\/[^"'()\s]+\.(css|js|wasm))["')]/g)];
  return new Map(paths.map((match) => [match[2], match[1]]));
}

const TYPES = { css: 'text/css', js: 'text/javascript', wasm: 'application/wasm' };

for (const [extension, type] of Object.entries(TYPES)) {
  test(`the page's .${extension} is typed, versioned, cached for good and compressed`, async ({ server }) => {
    const path = (await pagePaths(server.url)).get(extension);
    expect(path, `the page names its .${extension}`).toBeTruthy();
    const url = server.url + path;

    const plain = await ask(url, { 'accept-encoding': 'identity' });
    expect(plain.status).toBe(200);
    expect(plain.headers['content-type']).toMatch(new RegExp(`^${type}(;|$)`));
    expect(plain.headers['cache-control']).toMatch(/max-age=31536000/);
    expect(plain.headers['cache-control']).toContain('immutable');
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.headers.vary?.toLowerCase()).toContain('accept-encoding');

    const brotli = await ask(url, { 'accept-encoding': 'gzip, deflate, br, zstd' });
    expect(brotli.headers['content-encoding']).toBe('br');
    expect(brotliDecompressSync(brotli.body)).toEqual(plain.body);

    const gzip = await ask(url, { 'accept-encoding': 'gzip' });
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(gzip.body)).toEqual(plain.body);

    const refused = await ask(url, { 'accept-encoding': 'br;q=0, gzip;q=0' });
    expect(refused.headers['content-encoding']).toBeUndefined();
  });

  test(`an unchanged .${extension} is not sent again`, async ({ server }) => {
    const url = server.url + (await pagePaths(server.url)).get(extension);
    for (const encoding of ['identity', 'gzip', 'br']) {
      const first = await ask(url, { 'accept-encoding': encoding });
      const etag = first.headers.etag ?? '';
      expect(etag).toMatch(/^(W\/)?"[^"]+"$/);
      const again = await ask(url, { 'accept-encoding': encoding, 'if-none-match': etag });
      expect(again.status).toBe(304);
      expect(again.headers.etag).toBe(etag);
      expect(again.body.length).toBe(0);
      const changed = await ask(url, { 'accept-encoding': encoding, 'if-none-match': '"something else"' });
      expect(changed.status).toBe(200);
    }
  });
}

test('a file without a version may change: it is asked for each time', async ({ server }) => {
  const icon = await ask(`${server.url}/favicon.svg`);
  expect(icon.status).toBe(200);
  expect(icon.headers['content-type']).toMatch(/^image\/svg\+xml/);
  expect(icon.headers['cache-control']).not.toContain('immutable');
  expect(icon.headers.etag).toBeTruthy();
  const again = await ask(`${server.url}/favicon.svg`, { 'if-none-match': icon.headers.etag ?? '' });
  expect(again.status).toBe(304);
});

test('the page itself is compressed, and never stored', async ({ server }) => {
  const page = await ask(`${server.url}/`, { accept: 'text/html', 'accept-encoding': 'gzip, br' });
  expect(page.headers['content-encoding']).toBe('br');
  expect(page.headers['cache-control']).toMatch(/no-store|no-cache/);
  expect(brotliDecompressSync(page.body).toString()).toContain('<html');
});

test('nothing outside the site is served', async ({ server }) => {
  for (const path of ['/pkg/', '/pkg/../../Cargo.toml', '/%2e%2e/%2e%2e/etc/passwd', '/Cargo.toml', '/.git/config']) {
    expect((await ask(server.url + path)).status, path).toBe(404);
  }
});
