import { WEBKIT } from './engine.ts';
import { test } from './fixtures.ts';
import { scenarios } from './scenarios.ts';

test.use({ engine: WEBKIT });

scenarios(WEBKIT);
