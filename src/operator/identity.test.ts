import { describe, expect, it } from 'vitest';
import { identityOf } from './identity.js';
import { poolText } from './pool-config.js';
import { FACTS, poolOf, REPLICA_3, VOLUME_ID } from './test-pools.js';

const text = poolText(poolOf(REPLICA_3), FACTS);
const brick = (index: number, made: boolean): object => ({
  index,
  source: 'x',
  address: FACTS.addresses[index],
  made,
  up: true,
});

describe('the identity of a pool', () => {
  it('is new where nothing is on record, and its bricks are to be made', () => {
    const [one, other] = [identityOf(poolOf(REPLICA_3), {}), identityOf(poolOf(REPLICA_3), {})];
    expect(one.identity.volumeId).toMatch(/^[0-9a-f-]{36}$/);
    expect(one.identity.volumeId).not.toBe(other.identity.volumeId);
    expect(one.identity.credentials).not.toEqual(other.identity.credentials);
    expect(one).toMatchObject({ addresses: [undefined, undefined, undefined], made: [false, false, false] });
  });

  it('is what any of the records has', () => {
    const wanted = { identity: { volumeId: VOLUME_ID, credentials: FACTS.credentials }, addresses: FACTS.addresses };
    expect(identityOf(poolOf(REPLICA_3), { bricksText: text, make: '0,1,2' })).toMatchObject(wanted);
    expect(identityOf(poolOf(REPLICA_3), { poolsText: text })).toMatchObject(wanted);
  });

  it('goes by the status, too, whose addresses stay when both Secrets are lost', () => {
    const bricks = [0, 1, 2].map((index) => brick(index, true));
    const found = identityOf(poolOf(REPLICA_3, { volumeId: VOLUME_ID, bricks }), {});
    expect(found.identity.volumeId).toBe(VOLUME_ID);
    expect(found).toMatchObject({ addresses: FACTS.addresses, made: [true, true, true] });
  });

  it('is refused where two records differ', () => {
    const other = poolOf(REPLICA_3, { volumeId: VOLUME_ID.replace('0', '1') });
    expect(() => identityOf(other, { bricksText: text })).toThrow(
      /the volume id of pool fast is on record as .* and as /,
    );
    const moved = poolOf(REPLICA_3, { bricks: [{ ...brick(0, true), address: '10.0.0.9:24100' }] });
    expect(() => identityOf(moved, { bricksText: text })).toThrow(/the address of brick 0 of pool fast/);
  });

  it('lets a brick be made until any record says that it was there', () => {
    const made = (status: object, make: string | undefined, poolsText?: string): readonly boolean[] =>
      identityOf(poolOf(REPLICA_3, status), { bricksText: text, make, poolsText }).made;
    expect(made({}, '0,1,2')).toEqual([false, false, false]);
    expect(made({ bricks: [brick(0, true), brick(1, false), brick(2, false)] }, '0,1,2')).toEqual([true, false, false]);
    expect(made({}, '2')).toEqual([true, true, false]);
    expect(made({}, '')).toEqual([true, true, true]);
    expect(made({}, '0,1,2', text)).toEqual([true, true, true]);
  });

  it('makes nothing for an object that names the id of bricks that are there', () => {
    const managed = { ...REPLICA_3.managed, volumeId: VOLUME_ID };
    expect(identityOf(poolOf({ managed }), {})).toMatchObject({
      identity: { volumeId: VOLUME_ID },
      made: [true, true, true],
    });
  });
});
