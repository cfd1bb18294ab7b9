import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GlusterMechanism } from '../../src/quota/gluster.js';
import { measureOvershoot } from '../helpers/overshoot.js';
import { QuotaBench } from '../helpers/quota-bench.js';
import { DISTRIBUTED_LAYOUTS, GROUP_LAYOUTS, thoroughAndBrief, type TestLayout } from '../lib/layouts.js';

const MiB = 1024n * 1024n;

interface Bars {
  /** One writer on 64 MiB. */
  readonly percent: number;
  /** Four writers, whatever the limit. */
  readonly mebibytes: number;
}

const STRICT: Bars = { percent: 2, mebibytes: 4 };
const DEFAULT: Bars = { percent: 4, mebibytes: 8 };

interface Case {
  readonly layout: TestLayout;
  readonly quotaStrict: boolean;
  readonly bars: Bars;
}

/** All of them with --long. */
const { thorough } = thoroughAndBrief([...GROUP_LAYOUTS, ...DISTRIBUTED_LAYOUTS], {
  thorough: ['disperse 2+1'],
  brief: [],
});

const CASES: readonly Case[] = [
  ...([1, 3] as const).flatMap((replica) => {
    const layout: TestLayout = { name: `replica ${replica}`, keys: { replica }, groups: 1 };
    return [
      { layout, quotaStrict: true, bars: STRICT },
      { layout, quotaStrict: false, bars: DEFAULT },
    ];
  }),
  ...thorough.map((layout) => ({ layout, quotaStrict: true, bars: STRICT })),
];

/** How far writers at full speed get past a limit of GlusterFS' own quota, on bricks that Kayal runs. */
describe.each(CASES)('gluster quota on $layout.name, quotaStrict $quotaStrict', ({ layout, quotaStrict, bars }) => {
  let bench: QuotaBench;
  let mechanism: GlusterMechanism;

  beforeAll(async () => {
    bench = await QuotaBench.start({ quota: 'gluster', quotaStrict, ...layout.keys, groups: layout.groups });
    mechanism = new GlusterMechanism({ tree: bench.control, profile: 'exact' });
    await mechanism.probe();
  });

  afterAll(async () => {
    await bench?.stop();
  });

  it.each([
    { mib: 64n, writers: 1 },
    { mib: 64n, writers: 4 },
    { mib: 20n, writers: 1 },
    { mib: 20n, writers: 4 },
  ])('$writers writers on $mib MiB', async ({ mib, writers }) => {
    const limitBytes = mib * MiB;
    const { directory } = await bench.addVolume(mechanism, limitBytes);
    const { overshootBytes, percent, seconds } = await measureOvershoot({ directory, limitBytes, writers });
    const over = Number(overshootBytes) / Number(MiB);
    console.log(
      `${layout.name}${quotaStrict ? ' strict' : ''}: ${writers} on ${mib} MiB: ${percent.toFixed(2)} % (${over.toFixed(2)} MiB) over, ${seconds.toFixed(1)} s`,
    );
    // dd's last write is cut to what fits or refused as a whole: a volume holds what it was promised but for one write.
    expect(over).toBeGreaterThan(-1);
    if (writers === 1 && mib === 64n) expect(percent).toBeLessThanOrEqual(bars.percent);
    expect(over).toBeLessThanOrEqual(bars.mebibytes);
  });
});
