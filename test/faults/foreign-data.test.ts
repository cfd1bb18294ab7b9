import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { choosePoints, commonPasses, killAt } from '../lib/kill-everywhere.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { directoryPool } from '../lib/pool-configs.js';
import { createRequest, expectStatus, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS, IS_LONG } from '../runner/long.js';

const MOST_POINTS = IS_LONG ? Number.POSITIVE_INFINITY : 6;
const PATH = 'team/web';

let directory: string;
let pool: LoopDirectory;
let driver: KillableDriver;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fd-'));
  pool = await loopDirectory(directory, 'pool', 128);
  driver = await KillableDriver.start({ directory, role: 'controller', pools: [directoryPool('dir', pool.path)] });
  const { controller } = driver.client;
  const { volume } = await retried(() => controller.CreateVolume(createRequest('source', { sizeMiB: 4 })));
  await writeFile(join(pool.path, volume?.volume_context['path'] ?? '', 'file'), 'of the source');
  await retried(() => controller.CreateSnapshot({ name: 'snap', source_volume_id: 'dir/source' }));
});

afterAll(async () => {
  await driver?.stop();
  await pool?.remove();
});

const sources = [
  { name: 'a new volume', source: undefined },
  { name: 'a volume from a snapshot', source: { snapshot: { snapshot_id: 'dir/snap' } } },
];

it.each(sources)(
  'data that others put at the path of $name is theirs',
  { timeout: FILE_TIMEOUT_MS },
  async ({ source }) => {
    const place = join(pool.path, PATH);
    const theirs = join(place, 'theirs');
    const create = () =>
      driver.client.controller.CreateVolume({
        ...createRequest('web', { sizeMiB: 4, parameters: { pathPattern: PATH } }),
        ...(source === undefined ? {} : { volume_content_source: source }),
      });
    const remove = () => retried(() => driver.client.controller.DeleteVolume({ volume_id: 'dir/web' }));
    const purged = () =>
      waitFor('the trash to be purged', async () =>
        (await readdir(join(pool.path, '.kayal/trash'))).length === 0 ? true : undefined,
      );
    const traced = async (): Promise<string[]> => {
      await driver.revive();
      const trace = await driver.faults.trace(() => retried(create));
      await remove();
      await purged();
      return trace;
    };
    const passes = commonPasses(await traced(), await traced());
    let found = 0;
    let met = 0;
    /** While the driver is dead: an administrator who knows nothing of the volume. */
    const putTheirs = async (): Promise<boolean> => {
      await mkdir(dirname(place), { recursive: true });
      const isFree = await mkdir(place).then(
        () => true,
        () => false,
      );
      if (isFree) await writeFile(theirs, 'precious');
      return isFree;
    };
    const some = choosePoints(passes, MOST_POINTS, new Set());
    // What is half done there is a path that is on record and still free.
    const renames = passes.filter(({ point }) => point.startsWith('renameat@') && point.endsWith('/before'));
    for (const [index, at] of [...new Set([...some, ...renames])].entries()) {
      let isTheirs = false;
      const victim = {
        faults: driver.faults,
        revive: async () => {
          isTheirs = await putTheirs();
          await driver.revive();
        },
        expectInvariants: () => Promise.resolve(),
      };
      const killed = { what: 'CreateVolume beside others', call: () => driver.untilKilled(create) };
      if (!(await killAt(victim, at, { ...killed, check: () => Promise.resolve() }))) {
        // It was a point of the background, that came to pass at another moment this time.
        await remove();
        await purged();
        continue;
      }
      if (isTheirs) met++;
      else found++;
      const asksAgain = index % 2 === 0;
      if (asksAgain && isTheirs) await expectStatus(retried(create), 'ALREADY_EXISTS', /path team\/web of pool dir/);
      if (asksAgain && !isTheirs) await retried(create);
      await remove();
      await purged();
      const left = isTheirs
        ? await readFile(theirs, 'utf8').catch(String)
        : await readdir(dirname(place)).catch(() => []);
      expect({ at, left }).toEqual({ at, left: isTheirs ? 'precious' : [] });
      await rm(dirname(place), { recursive: true, force: true });
    }
    console.log(`killed where the path was free ${met} times, where the volume had it ${found} times`);
    expect(met).toBeGreaterThan(1);
    await driver.expectInvariants('again');
  },
);
