import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';

import { expect, test } from '../fixtures.ts';
import { Fairwind } from '../support/fairwind.ts';

/** The only fixed port: plain pages name it. */
const PORT = 8080;

const PLAIN_PAGE = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>A plain page</title>
<link rel="icon" href="data:,">
<h1>A plain page</h1>
<ul></ul>
<script>
  const list = document.querySelector('ul');
  new EventSource('http://localhost:${PORT}/events').onmessage = ({ data }) => {
    list.appendChild(document.createElement('li')).textContent = data;
  };
</script>
</html>`;

async function isFree(port: number): Promise<boolean> {
  const probe = createTcpServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
    probe.close();
    await once(probe, 'close');
    return true;
  } catch {
    return false;
  }
}

test('a plain page of another origin shows its list', async ({ installation, page }) => {
  test.skip(!(await isFree(PORT)), `port ${PORT} is in use by another program`);
  const server = new Fairwind(installation, ['--clock-interval', '200ms'], PORT);
  await server.start();
  const site = createHttpServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(PLAIN_PAGE);
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  try {
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
    const rows = page.getByRole('listitem');
    await expect(rows.first()).toHaveText(/^hello, now is: \d{4}-\d\d-\d\dT/);
    await expect.poll(() => rows.count()).toBeGreaterThan(5);
    const texts = await rows.allTextContents();
    expect(new Set(texts).size).toBe(texts.length);
    await page.goto('about:blank');
  } finally {
    site.close();
    await server.stop();
  }
});
