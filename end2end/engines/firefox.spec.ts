import { FIREFOX } from './engine.ts';
import { test } from './fixtures.ts';
import { scenarios } from './scenarios.ts';

test.use({ engine: FIREFOX });

scenarios(FIREFOX);
