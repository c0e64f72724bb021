import { expect, test } from '../fixtures.ts';

test('the page comes with the newest messages in it', async ({ clock, server }) => {
  await expect.poll(() => server.ticks()).toBeGreaterThan(3);
  const rendered = await clock.open();
  expect(rendered.length).toBeGreaterThan(3);
  await expect(clock.rows.nth(2)).toContainText('hello, now is: ');
  await expect(clock.now).toHaveAttribute('datetime', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/);
  await clock.hasEachMessageOnce();
});

test('the structure of the page', async ({ clock, page }) => {
  await clock.open();
  await expect(page.locator('body')).toMatchAriaSnapshot({ name: 'page.aria.yml' });
  await expect(page).toHaveTitle(/Fairwind/);
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
});

test('the raw stream is one link away', async ({ clock, page, server }) => {
  await clock.open();
  const link = page.getByRole('link', { name: /raw stream/i }).first();
  await expect(link).toHaveAttribute('href', '/events');

  const stream = await fetch(`${server.url}/events`, { headers: { accept: 'text/html,*/*;q=0.8' } });
  expect(stream.status).toBe(200);
  expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
  await stream.body?.cancel();
});

test('without scripts the page says how to see the clock live', async ({ clock, javaScriptEnabled }) => {
  await clock.open();
  const advice = clock.page.getByText(/With JavaScript the page is live/);
  if (javaScriptEnabled) await expect(advice).toBeHidden();
  else await expect(advice).toBeVisible();
  await expect(clock.page.getByText(/^curl -N http:/).first()).toBeVisible();
});

test('where nothing is, a page says so', async ({ clock, page, consoleWatch, server }) => {
  consoleWatch.allowStatus(404, `${server.url}/nowhere`);
  const response = await page.goto('/nowhere');
  expect(response?.status()).toBe(404);
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();
  await expect(page.getByText('topics are at /topics/NAME')).toBeVisible();
  await page.getByRole('link', { name: 'The clock', exact: true }).click();
  await expect(clock.messages).toBeVisible();
});

for (const path of ['/', '/nowhere']) {
  test(`${path} may run no script but its own`, async ({ request }) => {
    const response = await request.get(path, { headers: { accept: 'text/html' } });
    const headers = response.headers();
    const policy = headers['content-security-policy'] ?? '';
    const scripts = /script-src ([^;]*)/.exec(policy)?.[1] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/frame-ancestors '(none|self)'/);
    expect(policy).toMatch(/base-uri '(none|self)'/);
    expect(scripts).not.toContain("'unsafe-inline'");
    expect(scripts).not.toContain("'unsafe-eval'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBeTruthy();

    const html = await response.text();
    const inline = [...html.matchAll(/<script\b([^>]*)>/g)].map((match) => match[1]).filter((tag) => !/\bsrc=/.test(tag));
    for (const tag of inline) {
      const nonce = /\bnonce="([^"]+)"/.exec(tag)?.[1];
      expect(nonce, `a nonce in <script${tag}>`).toBeTruthy();
      expect(scripts).toContain(`'nonce-${nonce}'`);
    }
    expect(html, 'no inline handlers').not.toMatch(/<[^>]+\son\w+=/);
  });
}

test('a nonce is for one answer only', async ({ request }) => {
  const nonces = new Set<string>();
  for (const _ of [1, 2, 3]) {
    const policy = (await request.get('/')).headers()['content-security-policy'];
    nonces.add(/'nonce-([^']+)'/.exec(policy)?.[1] ?? 'none');
  }
  expect(nonces.size).toBe(3);
});
