import { describe, expect, it } from 'vitest';
import { describeRisk, riskOf } from './overshoot-risk.js';

describe('riskOf', () => {
  it('is small with both timeouts 0', () => {
    expect(riskOf('gv0', { deemStatfs: true, softTimeout: 0, hardTimeout: 0 }).kind).toBe('small');
  });

  it('names the exact commands that mend the default timeouts', () => {
    const risk = riskOf('gv0', { deemStatfs: true, softTimeout: 60, hardTimeout: 5 });
    expect(describeRisk('gv0', risk)).toContain(
      'run: gluster volume quota gv0 soft-timeout 0 && gluster volume quota gv0 hard-timeout 0',
    );
  });
});
