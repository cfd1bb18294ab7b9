import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brickProjectId, END_OF_PROJECT_IDS, FIRST_PROJECT_ID, firstProjectId, projectIdsFrom } from './project-id.js';

describe('firstProjectId', () => {
  it('is the same for one pool and lies in the range', () => {
    fc.assert(
      fc.property(fc.uuid(), (seed) => {
        const id = firstProjectId(seed);
        expect(firstProjectId(seed)).toBe(id);
        expect(id).toBeGreaterThanOrEqual(FIRST_PROJECT_ID);
        expect(id).toBeLessThan(END_OF_PROJECT_IDS);
      }),
    );
  });
});

describe('projectIdsFrom', () => {
  it('gives the ids from the first on, and goes round', () => {
    const ids = projectIdsFrom(END_OF_PROJECT_IDS - 2);
    expect([ids.next().value, ids.next().value, ids.next().value, ids.next().value]).toEqual([
      END_OF_PROJECT_IDS - 2,
      END_OF_PROJECT_IDS - 1,
      FIRST_PROJECT_ID,
      FIRST_PROJECT_ID + 1,
    ]);
  });

  it('gives each id once', () => {
    let count = 0;
    for (const _ of projectIdsFrom(5_000_000)) count++;
    expect(count).toBe(END_OF_PROJECT_IDS - FIRST_PROJECT_ID);
  });
});

describe('brickProjectId', () => {
  it("is the volume's on the first brick, and fits into 32 bits on the last one", () => {
    expect(brickProjectId(70_000, 0)).toBe(70_000);
    expect(brickProjectId(70_000, 2)).toBe(70_000 + 2 ** 25);
    expect(brickProjectId(END_OF_PROJECT_IDS - 1, 255)).toBe(2 ** 32 - 1);
  });
});
