import { describe, expect, it } from 'vitest';
import type { Spec } from './junit.js';
import { explainSkips } from './skips.js';

const skipped = (name: string, message: string): Spec => ({ name, status: 'skipped', message });

describe('explainSkips', () => {
  it('accepts a skip whose capability is not advertised', () => {
    const spec = skipped('a', 'Volume Cloning not supported');
    const { explained, unexplained } = explainSkips([spec], new Set(['controller CREATE_DELETE_VOLUME']));
    expect(unexplained).toEqual([]);
    expect([...explained]).toEqual([['controller CLONE_VOLUME', [spec]]]);
  });

  it('refuses a skip whose capability is advertised', () => {
    const spec = skipped('a', 'NodeGetVolume not supported');
    expect(explainSkips([spec], new Set(['node GET_VOLUME_STATS'])).unexplained).toEqual([spec]);
  });

  it('refuses a skip for a reason that it does not know', () => {
    const spec = skipped('a', 'Required bytes not supported');
    expect(explainSkips([spec], new Set()).unexplained).toEqual([spec]);
  });

  it('accepts the one spec that is pending in the suite itself, and no other', () => {
    const known: Spec = {
      name: 'Controller Service [Controller Server] ListVolumes pagination should detect volumes added between pages and accept tokens when the last volume from a page is deleted',
      status: 'pending',
      message: 'pending',
    };
    const other: Spec = { ...known, name: 'other' };
    expect(explainSkips([known, other], new Set())).toMatchObject({ pending: [known], unexplained: [other] });
  });
});
