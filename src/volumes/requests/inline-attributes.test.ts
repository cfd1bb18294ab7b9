import { describe, expect, it } from 'vitest';
import type { PoolConfig } from '../../pools/types.js';
import { isInline, isInlineVolumeId, parseInlineAttributes } from './inline-attributes.js';

function pool(name: string, maxBytes?: number): PoolConfig {
  const inlineVolumes = maxBytes === undefined ? undefined : { maxBytes, maxPerNode: 5 };
  return {
    type: 'directory',
    name,
    path: `/srv/${name}`,
    shared: true,
    requireMount: true,
    quota: 'none',
    overcommit: 1,
    staticOnly: false,
    inlineVolumes,
  };
}

const MiB = 1024 * 1024;
const POOLS = [pool('closed'), pool('open', 64 * MiB)];
const code = (name: string, message: RegExp): Error =>
  expect.objectContaining({ code: name, message: expect.stringMatching(message) as string }) as Error;

describe('parseInlineAttributes', () => {
  it('takes the one pool that has inline volumes, and what kubelet adds', () => {
    const kubelets = { 'csi.storage.k8s.io/ephemeral': 'true', 'csi.storage.k8s.io/pod.uid': 'u' };
    expect(isInline(kubelets)).toBe(true);
    expect(parseInlineAttributes(POOLS, kubelets)).toEqual({
      pool: POOLS[1],
      size: BigInt(64 * MiB),
      uid: 0,
      gid: 0,
      mode: 0o777,
    });
    const asked = { size: '1.5Mi', uid: '5', gid: '6', mode: '0700', pool: 'open' };
    expect(parseInlineAttributes(POOLS, asked)).toMatchObject({ size: 1_572_864n, uid: 5, gid: 6, mode: 0o700 });
  });

  it('gives 1 GiB where that is allowed and no size is asked for', () => {
    expect(parseInlineAttributes([pool('big', 2 ** 40)], {}).size).toBe(1n << 30n);
  });

  it('has to be told which of several pools, and stays with it whatever becomes of the configuration', () => {
    const two = [pool('a', MiB), pool('b', MiB)];
    expect(() => parseInlineAttributes(two, {})).toThrow(code('INVALID_ARGUMENT', /several pools have .*: a, b/));
    expect(parseInlineAttributes(two, {}, 'b').pool.name).toBe('b');
    expect(parseInlineAttributes([pool('b')], { size: '2Mi' }, 'b')).toMatchObject({ size: BigInt(2 * MiB) });
    expect(() => parseInlineAttributes([], {})).toThrow(code('INVALID_ARGUMENT', /no pool has inline volumes/));
  });

  it.each([
    [{ pool: 'closed' }, 'INVALID_ARGUMENT', /pool "closed" has no inline volumes; pools that have are open/],
    [{ size: '65Mi' }, 'OUT_OF_RANGE', /64 MiB/],
    [{ size: '1 Mi' }, 'INVALID_ARGUMENT', /size/],
    [{ path: '../../etc' }, 'INVALID_ARGUMENT', /attributes are pool, size, uid, gid, mode/],
    [{ poolId: 'x' }, 'INVALID_ARGUMENT', /"poolId"/],
    [{ onDelete: 'archive' }, 'INVALID_ARGUMENT', /"onDelete"/],
    [{ mode: '9' }, 'INVALID_ARGUMENT', /mode/],
    [{ uid: '4294967295' }, 'INVALID_ARGUMENT', /uid/],
  ])('refuses %j', (attributes, name, message) => {
    expect(() => parseInlineAttributes(POOLS, attributes as Record<string, string>)).toThrow(code(name, message));
  });
});

it.each([
  [`csi-${'0f'.repeat(32)}`, true],
  [`csi-${'0F'.repeat(32)}`, false],
  [`csi-${'0f'.repeat(31)}`, false],
  [`csi-${'0f'.repeat(32)}\n`, false],
  ['pool/pvc-1', false],
])('%j is what kubelet calls an inline volume: %s', (id, expected) => {
  expect(isInlineVolumeId(id)).toBe(expected);
});
