import { expect, it } from 'vitest';
import type { Logger } from '../base/logger.js';
import type { BrickPlaces } from './brick-connection.js';
import { BrickLinks } from './brick-links.js';
import { withDirectory, withWorkers } from './testing.js';

const NOWHERE: BrickPlaces = { bricks: [], volfiles: [], logFile: '', groupSize: 1, needed: 1 };

/** Asks three times for connections. @returns what the log said */
async function asked(places: () => Promise<BrickPlaces>): Promise<string[]> {
  const said: string[] = [];
  const note = (_: object, message: string): void => void said.push(message);
  const log: Logger = { debug: note, info: note, warn: note, error: note, child: () => log };
  await withWorkers(async (io) => {
    const links = new BrickLinks({ pool: 'p', io, log, places });
    for (let time = 0; time < 3; time++) expect(await links.get()).toBeUndefined();
    await links.close();
  });
  return said;
}

it('says once that the filesystem of a brick cannot share blocks', async () => {
  await withDirectory(async (brick) => {
    const said = await asked(async () => ({ ...NOWHERE, bricks: ['/proc', brick] }));
    expect(said).toEqual([expect.stringMatching(/content of files is copied: .*brick \/proc cannot share blocks/)]);
  });
});

it('says once that a brick is away, and asks again each time', async () => {
  let times = 0;
  const said = await asked(async () => {
    times++;
    return { ...NOWHERE, away: 'brick /b/1 is away' };
  });
  expect(times).toBe(3);
  expect(said).toEqual([expect.stringMatching(/content of files is copied: .*brick \/b\/1 is away/)]);
});
