import { describe, expect, it } from 'vitest';
import { parseGlusterVersion } from './version.js';

describe('parseGlusterVersion', () => {
  it.each([
    ['glusterfs 10.3\nRepository revision: …', { major: 10, minor: 3 }],
    ['glusterfs 11.1\n', { major: 11, minor: 1 }],
    ['glusterfs 12dev\n', { major: 12, minor: 0 }],
    ['glusterd 10.3', undefined],
  ])('reads %j', (text, version) => {
    expect(parseGlusterVersion(text)).toEqual(version);
  });
});
