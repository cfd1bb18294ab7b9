import { describe, expect, it } from 'vitest';
import { brickVolfile } from './brick.js';
import { clientVolfile } from './client.js';
import { bricksOf, quotaSettings } from './quota-settings.js';
import { testGroup, testLayout } from './test-layouts.js';

/** As glusterd 10 writes it. */
function glusterdBrick(...options: string[]): string {
  return `volume v-index
    type features/index
    option xattrop-pending-watchlist trusted.afr.v-
    subvolumes v-barrier
end-volume

volume v-quota
    type features/quota
${options.map((option) => `    option ${option}\n`).join('')}    option volume-uuid v
    subvolumes v-index
end-volume
`;
}

describe('quotaSettings', () => {
  it('fills in the defaults that glusterd does not write', () => {
    expect(quotaSettings(glusterdBrick('server-quota on'))).toEqual({
      deemStatfs: true,
      softTimeout: 60,
      hardTimeout: 5,
    });
  });

  it.each([
    ['soft-timeout 0', 0],
    ['soft-timeout 7', 7],
    ['soft-timeout 2min', 120],
    ['soft-timeout 1hr', 3600],
    ['soft-timeout "30s"', 30],
  ])('reads %s', (option, expected) => {
    expect(quotaSettings(glusterdBrick('server-quota on', option))?.softTimeout).toBe(expected);
  });

  it('says when statfs does not report limits', () => {
    expect(quotaSettings(glusterdBrick('server-quota on', 'deem-statfs off'))?.deemStatfs).toBe(false);
  });

  it('knows a volume without quota', () => {
    expect(quotaSettings(glusterdBrick('server-quota off'))).toBeUndefined();
    expect(quotaSettings('')).toBeUndefined();
  });

  it("reads Kayal's own volfiles", () => {
    const layout = testLayout([testGroup('replicate', 3)], { quota: 'gluster' });
    expect(quotaSettings(brickVolfile({ layout, index: 0, markerTimestamp: '/m' }))).toEqual({
      deemStatfs: true,
      softTimeout: 0,
      hardTimeout: 0,
    });
    expect(bricksOf(clientVolfile(layout))).toEqual(
      [0, 1, 2].map((n) => ({ host: '127.0.0.1', path: `/bricks/b${n}` })),
    );
  });
});
