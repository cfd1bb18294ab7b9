import { expect, it } from 'vitest';
import { metricIn } from './look-at-brick.js';

it('a figure is found by its name and label, and is nothing where it is not told', () => {
  const text = [
    '# HELP kayal_brick_bytes Bytes',
    'kayal_brick_bytes{pool="a",brick="0",kind="size"} 335544320',
    'kayal_brick_bytes{pool="a",brick="0",kind="used"} 1.5e+6',
    'kayal_brick_pending_heals{pool="a",brick="0"} 0',
    'kayal_brick_up{pool="a",brick="0"} Nan',
  ].join('\n');
  expect(metricIn(text, 'kayal_brick_bytes', 'kind="size"')).toBe(335_544_320);
  expect(metricIn(text, 'kayal_brick_bytes', 'kind="used"')).toBe(1_500_000);
  expect(metricIn(text, 'kayal_brick_pending_heals')).toBe(0);
  expect(metricIn(text, 'kayal_brick_up')).toBeUndefined();
  expect(metricIn(text, 'kayal_brick')).toBeUndefined();
});
