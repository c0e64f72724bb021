import { expect as expectPlain, test as plainTest } from '../fixtures.ts';
import { expect, test } from '../model_fixtures.ts';
import { AnswersPage } from '../pages/answers_page.ts';
import { widerThanWindow } from '../support/layout.ts';

/** Loads the page again until it is true; a page that is alive needs no loading. */
async function reloadUntil(page: AnswersPage, state: string, isAlive: boolean): Promise<void> {
  if (isAlive) return page.isIn(state, 20_000);
  await expect
    .poll(async () => {
      await page.page.reload();
      return page.state.getAttribute('data-state');
    }, { timeout: 20_000 })
    .toBe(state);
}

plainTest('the documentation answers a question, with scripts and without', async ({ javaScriptEnabled, page }) => {
  const answers = new AnswersPage(page);
  await page.goto('/answers');
  await expectPlain(page.getByRole('heading', { level: 1 })).toHaveText('Answers, as they are written');
  await expectPlain(page.locator('.market')).toHaveText('Found in the documentation, no model');
  await expectPlain(page.locator('.requests code')).toHaveCount(3);
  await expectPlain(page.getByRole('button', { name: 'What survives a restart?' })).toBeVisible();
  await answers.ask('How does a page resume after a gap?');
  await expectPlain(page.locator('.market')).toHaveText('Found in the documentation, no model');
  await reloadUntil(answers, 'complete', Boolean(javaScriptEnabled));
  await expectPlain(answers.text).toContainText('No model has written this.');
  await expectPlain(answers.text.getByRole('link').first()).toHaveAttribute('href', /^\/docs\/\w+\.md#/);
  await expectPlain(answers.text.locator('pre').first()).toBeVisible();
});

plainTest('an example is asked by its button', async ({ page }) => {
  const answers = new AnswersPage(page);
  await page.goto('/answers');
  await answers.button('What survives a restart?').click();
  await expectPlain(page.getByRole('heading', { level: 1 })).toHaveText('What survives a restart?');
});

test('an answer is stopped, continued and asked again by forms', async ({ answers, javaScriptEnabled, model, page }) => {
  const isAlive = Boolean(javaScriptEnabled);
  await page.goto('/answers');
  await answers.ask('What is tea?');
  await expect(page.locator('.market')).toHaveText('Written by the model parrot-1');
  const first = await model.next();
  first.write('Tea is *a');
  if (!isAlive) {
    await expect(page.locator('noscript p')).toContainText('still being written');
    await expect
      .poll(async () => {
        await page.locator('noscript a').click();
        return answers.text.textContent();
      })
      .toContain('Tea is *a');
  }
  await expect(answers.text).toHaveText('Tea is *a');
  await expect(answers.button('Continue')).toBeHidden();
  await answers.button('Stop').click();
  await answers.isIn('stopped');
  await expect.poll(() => first.isClosed, 'the request to the model is cancelled').toBe(true);
  await expect(answers.text).toHaveText('Tea is *a');
  await answers.button('Continue').click();
  const second = await model.next();
  expect(second.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
  second.write(' plant*.');
  second.finish();
  await expect(page.getByRole('link', { name: 'It continues an earlier answer' })).toBeVisible();
  await reloadUntil(answers, 'complete', isAlive);
  await expect(answers.text.locator('em')).toHaveText('a plant');
  await expect(answers.button('Continue')).toBeHidden();
  await answers.button('Ask again').click();
  const third = await model.next();
  expect(third.messages).toEqual([{ role: 'user', content: 'What is tea?' }]);
  await expect(answers.text).toHaveText('');
  third.finish();
});

for (const width of [390, 1280]) {
  test.describe(`${width} px`, () => {
    test.use({ viewport: { width, height: 844 } });

    test('the pages fit', async ({ answers, model, page }, testInfo) => {
      const fits = async (name: string) => {
        expect(await widerThanWindow(page), 'no sideways scroll').toBeLessThanOrEqual(0);
        const links = await page.locator('nav.site a').evaluateAll((all) => all.map((link) => link.getBoundingClientRect().top));
        expect(new Set(links).size, 'lines of links').toBeLessThanOrEqual(2);
        await testInfo.attach(name, { body: await page.screenshot({ fullPage: true }), contentType: 'image/png' });
      };
      await page.goto('/answers');
      await fits(`${width} px, the form`);
      await answers.ask('A question that is as long as a line of a telephone can never be, with_a_word_that_has_no_end_at_all_anywhere');
      const completion = await model.next();
      completion.write(`\`\`\`\n${'long '.repeat(60)}\n\`\`\`\n\n|${'wide column|'.repeat(12)}\n|${'--|'.repeat(12)}\n\n${'w'.repeat(200)}\n`);
      completion.finish();
      await expect
        .poll(async () => {
          await page.reload();
          return answers.state.getAttribute('data-state');
        })
        .toBe('complete');
      await fits(`${width} px, the answer`);
    });
  });
}

plainTest.describe('switched off', () => {
  plainTest.use({ serverArgs: ['--clock-interval', '200ms', '--answers', 'off'] });

  plainTest('there is no page and no link', async ({ consoleWatch, page, server }) => {
    await page.goto('/');
    await expectPlain(page.getByRole('link', { name: 'Help' })).toBeVisible();
    await expectPlain(page.getByRole('link', { name: 'Answers' })).toHaveCount(0);
    consoleWatch.allowStatus(404, `${server.url}/answers`);
    expectPlain((await page.goto('/answers'))?.status()).toBe(404);
  });
});

plainTest('a link to no answer says so', async ({ consoleWatch, page, server }) => {
  consoleWatch.allowStatus(404, `${server.url}/answers/`);
  await page.goto('/answers/0123456789abcdefghijkl');
  await expectPlain(page.getByRole('heading', { level: 1 })).toHaveText('There is no such answer');
});
