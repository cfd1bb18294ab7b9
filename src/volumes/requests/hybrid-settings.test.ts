import { describe, expect, it } from 'vitest';
import { hybridSettingsOf } from './hybrid-settings.js';

describe('what a hybrid volume was made with', () => {
  it.each([
    [{}, 10_000, 'wait'],
    [{ syncInterval: '1s', onNodeLoss: 'takeover' }, 1_000, 'takeover'],
    [{ syncInterval: '60m', onNodeLoss: 'wait' }, 3_600_000, 'wait'],
    [{ syncInterval: '1h' }, 3_600_000, 'wait'],
    // A record that somebody edited: the defaults, rather than a node that does not start.
    [{ syncInterval: '9h', onNodeLoss: 'x' }, 10_000, 'wait'],
  ])('%j', (parameters, syncIntervalMs, onNodeLoss) => {
    expect(hybridSettingsOf({ parameters })).toEqual({ syncIntervalMs, onNodeLoss });
  });
});
