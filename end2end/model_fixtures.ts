// What the specs of answers start from: a server that asks a model, and the model.

import { expect, test as base } from './fixtures.ts';
import { AnswersPage } from './pages/answers_page.ts';
import { Model } from './support/model.ts';

type TestFixtures = {
  /** What answers. */
  model: Model;
  /** More arguments of the test's server. */
  moreArgs: string[];
  /** The page of answers, not yet opened. */
  answers: AnswersPage;
};

export const test = base.extend<TestFixtures>({
  moreArgs: [[], { option: true }],

  model: async ({}, use) => {
    const model = await Model.start();
    await use(model);
    await model.stop();
  },

  serverArgs: async ({ model, moreArgs }, use) => {
    const upstream = ['--answers-upstream', model.url, '--answers-model', 'parrot-1'];
    await use(['--clock-interval', '1s', '--retry', '200ms', '--metrics=on', ...upstream, ...moreArgs]);
  },

  answers: async ({ page }, use) => {
    await use(new AnswersPage(page));
  },
});

export { expect };
