import { describe, expect, it } from 'vitest';
import { parseLabel } from './brick-label.js';

const label = { pool: 'p', index: 1, count: 3, volumeId: 'id', quota: 'gluster', layout: 'replica 3' };

describe('parseLabel', () => {
  it('reads a label, also one with more in it', () => {
    expect(parseLabel(JSON.stringify(label))).toEqual(label);
    expect(parseLabel(JSON.stringify({ ...label, later: true }))).toEqual(label);
  });

  it('knows what pools were before their layout was recorded', () => {
    expect(parseLabel(JSON.stringify({ ...label, layout: undefined }))).toEqual(label);
    expect(parseLabel(JSON.stringify({ ...label, layout: undefined, count: 1 }))?.layout).toBe('replica 1');
  });

  it.each(['', 'null', '{}', JSON.stringify({ ...label, quota: 'other' }), JSON.stringify({ ...label, index: '1' })])(
    'does not read %j',
    (text) => {
      expect(parseLabel(text)).toBeUndefined();
    },
  );
});
