import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Authority } from '../../test/lib/certificates.js';
import type { PoolConfig } from '../pools/types.js';
import { inspectTls } from './doctor-tls.js';

const DAY_MS = 24 * 3600 * 1000;

describe('inspectTls', () => {
  let directory: string;
  let pool: PoolConfig;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kayal-tls-'));
    const files = await (await Authority.create(join(directory, 'ca'))).issue({ name: 'pool', days: 30 });
    pool = {
      type: 'gluster',
      name: 'p',
      quota: 'auto',
      overcommit: 1,
      staticOnly: false,
      hosts: ['h'],
      volume: 'v',
      options: {},
      tls: { ...files, management: false },
    };
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it('says until when a certificate is valid, and that it is time to renew it', async () => {
    const now = Date.now();
    const [fine, ...others] = await inspectTls(pool, now);
    expect(others).toEqual([]);
    expect(fine).toMatchObject({ ok: true, text: expect.stringMatching(/\(kayal\) is valid until \d{4}-/) as string });
    const [soon] = await inspectTls(pool, now + 17 * DAY_MS);
    expect(soon).toMatchObject({ ok: false, text: expect.stringContaining('renew it') as string });
  });

  it('has nothing to say of a pool without TLS', async () => {
    expect(await inspectTls({ ...pool, tls: undefined } as PoolConfig, Date.now())).toEqual([]);
  });
});
