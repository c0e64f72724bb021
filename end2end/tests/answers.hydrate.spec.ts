import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from '../model_fixtures.ts';
import { AnswersPage } from '../pages/answers_page.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { streams } from '../support/fairwind.ts';
import { recordShifts, shifts } from '../support/layout.ts';
import type { Completion, Model } from '../support/model.ts';
import { tasksWhile } from '../support/tasks.ts';

/** Longer than its frame. */
const LONG = Array.from({ length: 60 }, (_, number) => `Paragraph ${number}.\n\n`).join('');

/** What a model could be made to say. */
const ATTACKS = [
  '<script>attacked = true</script>',
  '<img src="/x" onerror="attacked = true">',
  '<svg onload="attacked = true"></svg>',
  '<b onmouseover="attacked = true">b</b>',
  '[click](javascript:attacked=true) [click](data:text/html,<script>attacked=true</script>) <javascript:attacked=true>',
  '![image](http://127.0.0.1:1/i.png) ![image](javascript:attacked=true)',
  '<style>* { display: none }</style>',
  '</div></main><form action="http://127.0.0.1:1/"><button>Send</button></form>',
  '`</code><script>attacked = true</script>`',
  '```"><script>attacked = true</script>\n</code></pre><script>attacked = true</script>\n```',
  '|<script>attacked = true</script>|\n|--|\n|</table>|',
  '<iframe srcdoc="<script>parent.attacked = true</script>"></iframe>',
  '&lt;script&gt;attacked = true&lt;/script&gt;',
];

/** Asks the model, whose answer is what the test writes. */
async function asked(answers: AnswersPage, model: Model): Promise<Completion> {
  await answers.open();
  await answers.ask('What is tea?');
  return model.next();
}

test('an answer arrives piece by piece, and when it is complete no client reconnects', async ({ answers, model, page, server }) => {
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  const completion = await asked(answers, model);
  await answers.isIn('writing');
  await expect(answers.frame).toHaveAttribute('aria-busy', 'true');
  completion.write('# Tea\n\nTea is **a');
  await expect(answers.text.locator('h3')).toHaveText('Tea');
  await expect(answers.text.locator('p')).toHaveText('Tea is **a');
  completion.write(' drink**.\n\n- green\n- bl');
  await expect(answers.text.locator('strong')).toHaveText('a drink');
  await expect(answers.text.locator('li')).toHaveText(['green', 'bl']);
  await expect(answers.said, 'no announcement by piece').toHaveText('');
  completion.write('ack');
  completion.finish();
  await answers.isIn('complete');
  await expect(answers.text.locator('li')).toHaveText(['green', 'black']);
  await expect(answers.frame).toHaveAttribute('aria-busy', 'false');
  await expect(answers.said).toHaveText('The answer is complete.');
  await expect(answers.button('Stop')).toBeHidden();
  await expect.poll(() => streams(server.url)).toBe(0);
  requests.length = 0;
  await page.reload();
  await answers.isAlive();
  await answers.isIn('complete');
  expect(requests.filter((url) => url.includes('/topics'))).toEqual([]);
});

test('a block that is finished stays the same element while the next ones are written', async ({ answers, model }) => {
  const completion = await asked(answers, model);
  completion.write('One.\n\nTwo.\n\nThree');
  await expect(answers.text.locator('p')).toHaveCount(3);
  await answers.text.locator('p').first().evaluate((element) => ((window as unknown as { first: Element }).first = element));
  for (const piece of [' is', ' here.\n\n', '> four']) completion.write(piece);
  completion.finish();
  await answers.isIn('complete');
  await expect(answers.text.locator('blockquote')).toHaveText('four');
  const isSame = await answers.text.locator('p').first().evaluate((element) => (window as unknown as { first: Element }).first === element);
  expect(isSame).toBe(true);
});

test('a reload in the middle, and a second browser by the link, go on where the answer is', async ({ answers, browser, model, page }) => {
  const completion = await asked(answers, model);
  completion.write('One ');
  await expect(answers.text).toHaveText('One');
  await page.reload();
  await expect(answers.text).toHaveText('One');
  const context = await browser.newContext();
  const other = new AnswersPage(await context.newPage());
  await other.open(page.url());
  await expect(other.text).toHaveText('One');
  completion.write('two ');
  for (const each of [answers, other]) await expect(each.text).toHaveText('One two');
  completion.write('three.');
  completion.finish();
  for (const each of [answers, other]) {
    await each.isIn('complete');
    await expect(each.text).toHaveText('One two three.');
  }
  await expect(other.page.locator('.own .hint'), 'the list is of the browser that has asked').toHaveText(/^None yet/);
  await context.close();
});

test.describe('with a log on disk', () => {
  test.use({
    moreArgs: async ({}, use) => {
      const folder = await mkdtemp(join(tmpdir(), 'fairwind-answers-'));
      await use(['--data', folder]);
      await rm(folder, { recursive: true });
    },
  });

  test('a server that is killed in the middle: the answer is shown as broken off, and continues', async ({
    answers,
    consoleWatch,
    model,
    page,
    server,
  }) => {
    const completion = await asked(answers, model);
    completion.write('Tea is ');
    await expect(answers.text).toHaveText('Tea is');
    consoleWatch.allowOutage(`${server.url}/topics`);
    await server.kill();
    await answers.isIn('reconnecting');
    await expect(answers.text).toHaveText('Tea is');
    await server.start();
    await answers.isIn('failed', 20_000);
    await expect(answers.state).toContainText('This server was stopped in the middle of the answer.');
    await expect(answers.text).toHaveText('Tea is');
    const before = page.url();
    await answers.button('Continue').click();
    const rest = await model.next();
    expect(rest.messages.at(1)).toEqual({ role: 'assistant', content: 'Tea is ' });
    rest.write('a drink.');
    rest.finish();
    await expect(page).not.toHaveURL(before);
    await answers.isIn('complete');
    await expect(answers.text).toHaveText('Tea is a drink.');
  });
});

test('after a gap the whole answer is read, again where that fails or hangs, and the page goes on from its end', async ({
  answers,
  consoleWatch,
  model,
  page,
  server,
}) => {
  const completion = await asked(answers, model);
  completion.write('One ');
  await expect(answers.text).toHaveText('One');
  consoleWatch.allowOutage(`${server.url}/answers/`);
  const reads: { fail(): Promise<void>; pass(): Promise<void> }[] = [];
  const shown = async () => (await (await fetch(page.url())).json()) as { text: string; last_event_id: string };
  const [epoch = ''] = (await shown()).last_event_id.split('-');
  await page.route('**/answers/*', async (route) => {
    const response = await route.fetch();
    if (route.request().isNavigationRequest()) {
      // The page's text ends with an event of a log that the server does not have any more.
      const body = await response.text();
      expect(body).toContain(epoch);
      return route.fulfill({ response, body: body.replaceAll(epoch, epoch.replace(/\w/g, 'z')) });
    }
    reads.push({ fail: () => route.abort('connectionrefused'), pass: () => route.fulfill({ response }) });
  });
  await page.clock.install();
  await page.reload();
  await expect.poll(() => reads.length).toBe(1);
  await page.clock.runFor(12_000);
  await expect.poll(() => reads.length, 'it is read again, since nothing answers').toBe(2);
  await reads[1]?.fail();
  await expect.poll(() => reads.length, 'it is read again, since that failed').toBe(3);
  // What comes while the answer is read is not in what is read.
  completion.write('two ');
  await expect.poll(async () => (await shown()).text).toBe('One two ');
  await reads[2]?.pass();
  await expect(answers.text).toHaveText('One two');
  await reads[0]?.pass();
  completion.write('three.');
  completion.finish();
  await answers.isIn('complete');
  await expect(answers.text).toHaveText('One two three.');
  await expect.poll(() => streams(server.url)).toBe(0);
});

test('a server that is restarted without a log no longer has the answer, and the page says so', async ({
  answers,
  consoleWatch,
  model,
  server,
}) => {
  (await asked(answers, model)).write('Tea is ');
  await expect(answers.text).toHaveText('Tea is');
  consoleWatch.allowOutage(`${server.url}/topics`);
  consoleWatch.allowStatus(404, `${server.url}/answers/`);
  await server.kill();
  await answers.isIn('reconnecting');
  await server.start();
  await answers.isIn('lost', 20_000);
  await expect(answers.text).toHaveText('Tea is');
  await expect(answers.button('Continue')).toBeHidden();
});

test('a failure is said in words, leaves the text readable, and can be continued', async ({ answers, model }) => {
  const completion = await asked(answers, model);
  completion.write('Tea is ');
  await expect(answers.text).toHaveText('Tea is');
  completion.cut();
  await answers.isIn('failed');
  await expect(answers.state).toContainText('The connection to the model’s server broke off in the middle of the answer.');
  await expect(answers.text).toHaveText('Tea is');
  await expect(answers.said).toHaveText('The answer broke off.');
  await answers.button('Continue').click();
  const busy = await model.next();
  await expect(answers.text).toHaveText('Tea is');
  busy.refuse(429, { 'Retry-After': '20' });
  await answers.isIn('failed');
  await expect(answers.state).toContainText('The model’s server asks clients to wait 20 s.');
  await answers.button('Continue').click();
  const rest = await model.next();
  rest.write('a drink.');
  rest.finish();
  await answers.isIn('complete');
  await expect(answers.text).toHaveText('Tea is a drink.');
});

test('what a model is made to say does nothing in the page', async ({ answers, model, page, server }) => {
  const hosts = new Set<string>();
  page.on('request', (request) => hosts.add(new URL(request.url()).origin));
  await answers.open();
  await answers.ask('<script>attacked = true</script><img src=x onerror="attacked = true">');
  const completion = await model.next();
  for (const attack of ATTACKS) {
    for (const character of `${attack}\n\n`) completion.write(character);
  }
  completion.write('The end.');
  completion.finish();
  await answers.isIn('complete');
  const holds = async () => {
    await expect(answers.text).toContainText('<iframe srcdoc=');
    await expect(answers.text.locator('p').last()).toHaveText('The end.');
    await expect(answers.text.locator('script, img, svg, style, iframe, form, b, [onerror], [onload], [onmouseover]')).toHaveCount(0);
    for (const link of await answers.text.getByRole('link').all()) {
      expect(await link.getAttribute('href')).toMatch(/^http:\/\//);
      expect(await link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    }
    expect(await page.evaluate(() => 'attacked' in window)).toBe(false);
    expect([...hosts]).toEqual([server.url]);
  };
  await holds();
  // As the server renders it.
  await page.reload();
  await answers.isAlive();
  await holds();
});

test('the questions of this browser are listed, lead back, and are forgotten', async ({ answers, model, page }) => {
  await answers.open();
  await expect(page.locator('.own .hint')).toHaveText(/^None yet/);
  await answers.ask('First?');
  const first = page.url();
  (await model.next()).finish();
  await answers.isIn('complete');
  await answers.ask('Second?');
  (await model.next()).finish();
  await expect(answers.own).toHaveText(['Second?', 'First?']);
  await expect(answers.own.first()).toHaveAttribute('aria-current', 'page');
  await answers.own.last().click();
  await expect(page).toHaveURL(first);
  await answers.isAlive();
  await answers.button('Forget them').click();
  await expect(answers.own).toHaveCount(0);
  await expect(answers.said).toContainText('has forgotten your questions');
  await page.reload();
  await answers.isAlive();
  await expect(answers.own).toHaveCount(0);
});

test('the list keeps fifty questions, and takes only what can be an answer', async ({ answers, model, page }) => {
  await answers.open();
  await page.evaluate(() => {
    const id = (number: number) => String(number).padStart(22, '0');
    const answers: object[] = Array.from({ length: 60 }, (_, number) => ({ id: id(number), question: `Question ${number}` }));
    answers.splice(1, 0, { id: '../language/zh-CN', question: 'wrong' });
    localStorage.setItem('fairwind answers', JSON.stringify({ answers }));
  });
  await answers.ask('New?');
  (await model.next()).finish();
  await answers.isAlive();
  await expect(answers.own).toHaveCount(50);
  await expect(answers.own.first()).toHaveText('New?');
  await expect(answers.own.nth(2)).toHaveText('Question 1');
  const stored = await page.evaluate(() => JSON.parse(localStorage.getItem('fairwind answers') ?? '').answers.length);
  expect(stored).toBe(50);
});

test.describe('with a clipboard', () => {
  test.use({ permissions: ['clipboard-read', 'clipboard-write'] });

  test('the answer is copied as Markdown', async ({ answers, model, page }) => {
    const completion = await asked(answers, model);
    completion.write('Tea is *a drink*.');
    await expect(answers.text).toHaveText('Tea is a drink.');
    await answers.button('Copy').click();
    await expect(answers.said).toHaveText('The answer is in the clipboard, as Markdown.');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('Tea is *a drink*.');
    completion.finish();
  });
});

test('the page follows the end while the reader is there, and stays where the reader reads', async ({ answers, model }) => {
  const completion = await asked(answers, model);
  completion.write(LONG);
  await expect(answers.text.locator('p').last()).toHaveText('Paragraph 59.');
  const fromEnd = () => answers.frame.evaluate((frame) => frame.scrollHeight - frame.scrollTop - frame.clientHeight);
  await expect.poll(fromEnd).toBeLessThanOrEqual(1);
  completion.write('More.\n\n');
  await expect(answers.text.locator('p').last()).toHaveText('More.');
  await expect.poll(fromEnd).toBeLessThanOrEqual(1);
  await expect(answers.button('To the end')).toBeHidden();
  await answers.frame.hover();
  await answers.page.mouse.wheel(0, -400);
  await expect(answers.button('To the end')).toBeVisible();
  const top = await answers.frame.evaluate((frame) => frame.scrollTop);
  completion.write(LONG);
  await expect(answers.text.locator('p')).toHaveCount(121);
  // The page would follow in the next frame.
  await answers.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  expect(await answers.frame.evaluate((frame) => frame.scrollTop)).toBe(top);
  await answers.button('To the end').click();
  await expect.poll(fromEnd).toBeLessThanOrEqual(1);
  completion.write('The end.');
  completion.finish();
  await answers.isIn('complete');
  await expect.poll(fromEnd).toBeLessThanOrEqual(1);
});

test.describe('with one answer at a time', () => {
  test.use({ moreArgs: ['--max-answers-per-address', '1'] });

  test('a refusal is said, and the question stays in its field', async ({ answers, consoleWatch, model, page, server }) => {
    await answers.open();
    await answers.ask('First?');
    const completion = await model.next();
    consoleWatch.allowStatus(503, `${server.url}/answers`);
    const before = page.url();
    await answers.question.fill('Second?');
    await answers.button('Ask').click();
    await expect(answers.said).toHaveText(/^The server refuses: there are as many answers of your address/);
    await expect(answers.question).toHaveValue('Second?');
    expect(page.url()).toBe(before);
    completion.finish();
    await answers.isIn('complete');
  });
});

test('the keyboard reaches everything: Enter asks, and Shift and Enter begin a new line', async ({ answers, model, page }) => {
  await answers.open();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the question' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(answers.question).toBeFocused();
  await page.keyboard.type('One');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two?');
  await expect(answers.question).toHaveValue('One\ntwo?');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/answers\/[\w-]{22}$/);
  await answers.isAlive();
  const completion = await model.next();
  completion.write(LONG);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await expect(answers.button('Stop')).toBeFocused();
  await page.keyboard.press('Enter');
  await answers.isIn('stopped');
  await expect(answers.button('Ask again')).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(answers.button('Copy')).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(answers.button('Continue')).toBeFocused();
});

test('an answer that is written at fifty updates a second causes no long task', { tag: '@measured' }, async ({ answers, model, page }) => {
  const completion = await asked(answers, model);
  await answers.isAlive();
  const pieces = ['## Tea\n\n', 'It is **a ', 'drink** of ', '`leaves` ', 'and water.\n\n', '- green\n', '- black\n\n', '|a|b|\n|-|-|\n|1|2|\n\n'];
  const count = 300;
  const { longest } = await tasksWhile(page, async () => {
    await new Promise<void>((resolve) => {
      let sent = 0;
      const timer = setInterval(() => {
        completion.write(pieces[sent % pieces.length] ?? '');
        sent += 1;
        if (sent < count) return;
        clearInterval(timer);
        resolve();
      }, 20);
    });
    completion.finish();
    await answers.isIn('complete');
  });
  await expect(answers.text.locator('h4')).toHaveCount(Math.ceil(count / pieces.length));
  expect(longest, 'the longest task, in ms').toBeLessThanOrEqual(50);
});

test('nothing shifts while an answer is written, and when the list of questions appears', async ({ answers, model, page }) => {
  await recordShifts(page);
  await answers.open();
  expect(await shifts(page)).toEqual([]);
  await answers.ask('What is tea?');
  const completion = await model.next();
  for (const line of LONG.split('\n\n')) completion.write(`${line}\n\n`);
  completion.finish();
  await answers.isIn('complete');
  await expect(answers.own).toHaveCount(1);
  expect(await shifts(page)).toEqual([]);
  await page.reload();
  await answers.isAlive();
  await expect(answers.own).toHaveCount(1);
  expect(await shifts(page)).toEqual([]);
});

for (const width of [390, 1280]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${width} px, ${colorScheme}`, () => {
      test.use({ viewport: { width, height: 844 }, colorScheme });

      test('axe finds nothing', async ({ answers, model, page }, testInfo) => {
        const holds = async (name: string) => {
          expect(await accessibilityProblems(page)).toEqual([]);
          const picture = await page.screenshot({ fullPage: true });
          await testInfo.attach(`${width} px, ${colorScheme}, ${name}`, { body: picture, contentType: 'image/png' });
        };
        await answers.open();
        await holds('the form');
        await answers.ask('What is tea?');
        const completion = await model.next();
        completion.write(`# Tea\n\nA [drink](https://a.example) of \`leaves\`.\n\n\`\`\`\nboil\n\`\`\`\n\n> hot\n\n|a|b|\n|-|-:|\n|1|2|\n\n- [x] tea\n\n${LONG}`);
        await expect(answers.text.locator('p').last()).toHaveText('Paragraph 59.');
        await holds('being written');
        completion.cut();
        await answers.isIn('failed');
        await holds('broken off');
        await page.reload();
        await answers.isAlive();
        await holds('loaded again');
      });
    });
  }
}

test('a reader who asks for no motion gets none', async ({ answers, model, page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const completion = await asked(answers, model);
  completion.write('Tea');
  await expect(answers.text).toHaveText('Tea');
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
  completion.finish();
});

test('the page to copy works', async ({ model, page }) => {
  await page.goto('/answers.html');
  await page.getByRole('button', { name: 'Ask' }).click();
  const completion = await model.next();
  completion.write('Tea is ');
  await expect(page.locator('#answer')).toHaveText('Tea is');
  await page.reload();
  completion.write('<b>hot');
  await expect(page.locator('#answer')).toHaveText('Tea is <b>hot');
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.locator('#state')).toHaveText('the answer was stopped');
});

test.describe('in Chinese', () => {
  test.use({ locale: 'zh-CN' });

  test('what changes is in Chinese too, and a failure says what it was', async ({ answers, model, page }) => {
    await answers.open();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('实时生成的回答');
    await answers.question.fill('茶是什么？');
    await answers.button('提问').click();
    const completion = await model.next();
    await answers.isAlive();
    await expect(answers.state).toContainText('正在生成');
    completion.write('茶是**饮料**');
    await expect(answers.text.locator('strong')).toHaveText('饮料');
    completion.cut();
    await expect(answers.state).toContainText('与模型服务器的连接在回答中途断开。');
    await expect(answers.said).toHaveText('回答已中断。');
    await expect(answers.button('继续')).toBeVisible();
  });
});
