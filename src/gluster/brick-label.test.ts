import { describe, expect, it } from 'vitest';
import { parseLabel } from './brick-label.js';

const label = { pool: 'p', index: 1, count: 3, volumeId: 'id', quota: 'gluster' };

describe('parseLabel', () => {
  it('reads a label, also one with more in it', () => {
    expect(parseLabel(JSON.stringify(label))).toEqual(label);
    expect(parseLabel(JSON.stringify({ ...label, later: true }))).toEqual(label);
  });

  it.each(['', 'null', '{}', JSON.stringify({ ...label, quota: 'other' }), JSON.stringify({ ...label, index: '1' })])(
    'does not read %j',
    (text) => {
      expect(parseLabel(text)).toBeUndefined();
    },
  );
});
