import { mkdir, mkdtemp, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bucketOf } from '../../src/volumes/records/handle.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { Driver } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { MiB, SHARED, claimParameters, createRequest, expectStatus, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

/** The controller's rules, on a directory pool: no quota mechanism is needed to show them. */
describe('controller', () => {
  let directory: string;
  let pool: LoopDirectory;
  let other: LoopDirectory;
  let driver: Driver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'controller-'));
    pool = await loopDirectory(directory, 'pool', 256);
    other = await loopDirectory(directory, 'other', 64);
    driver = await Driver.start({
      directory,
      pools: [
        { name: 'dir', type: 'directory', path: pool.path, shared: true, quota: 'none' },
        { name: 'small', type: 'directory', path: other.path, shared: true, quota: 'none' },
      ],
    });
  });

  afterAll(async () => {
    await driver?.stop();
    await pool?.remove();
    await other?.remove();
  });

  const create = (name: string, wish: Parameters<typeof createRequest>[1] = {}) =>
    retried(() =>
      driver.client.controller.CreateVolume(
        createRequest(name, { ...wish, parameters: { pool: 'dir', ...wish.parameters } }),
      ),
    );
  const remove = (handle: string) => retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));
  const inTrash = async (): Promise<string[]> => readdir(join(pool.path, '.kayal/trash'));
  const purged = (): Promise<true> =>
    waitFor('the trash to be purged', async () => ((await inTrash()).length === 0 ? true : undefined));

  it.each([
    ['an empty name', '', /name: is empty/],
    ['a name of 129 bytes', 'x'.repeat(129), /longer than 128 bytes/],
    ['a name with NUL', 'a\u0000b', /control character/],
  ])('refuses %s', async (_, name, message) => {
    await expectStatus(driver.client.controller.CreateVolume(createRequest(name)), 'INVALID_ARGUMENT', message);
  });

  it.each(['x'.repeat(128), 'ünïcode-名前', '..', '../../escape', 'a/b/c', '.kayal'])(
    'makes, finds again and deletes a volume called %j, inside its own place',
    async (name) => {
      const first = await create(name);
      const again = await create(name);
      expect(again.volume).toEqual(first.volume);
      const path = first.volume?.volume_context['path'] ?? '';
      expect(path).toMatch(/^volumes\/[0-9a-f]{2}\/[A-Za-z0-9._-]+$/);
      expect((await stat(join(pool.path, path))).isDirectory()).toBe(true);
      await remove(first.volume?.volume_id ?? '');
      await expect(stat(join(pool.path, path))).rejects.toThrow('ENOENT');
    },
  );

  it('refuses the same name with another size or other parameters, and says what differs', async () => {
    const { volume } = await create('twice', { sizeMiB: 4 });
    const again = (wish: object) =>
      driver.client.controller.CreateVolume(
        createRequest('twice', { sizeMiB: 4, parameters: { pool: 'dir' }, ...wish }),
      );
    await expectStatus(again({ sizeMiB: 8 }), 'ALREADY_EXISTS', /it has 4 MiB, 8 MiB are required/);
    await expectStatus(again({ sizeMiB: 1, limitMiB: 2 }), 'ALREADY_EXISTS', /at most 2 MiB are allowed/);
    await expectStatus(again({ parameters: { pool: 'dir', uid: '7' } }), 'ALREADY_EXISTS', /parameter uid/);
    await remove(volume?.volume_id ?? '');
  });

  it('refuses a limit below what is required, a block device for several nodes, and content it cannot make', async () => {
    const call = (wish: object) =>
      driver.client.controller.CreateVolume({ ...createRequest('bad', { parameters: { pool: 'dir' } }), ...wish });
    await expectStatus(
      call({ capacity_range: { required_bytes: 2 * MiB, limit_bytes: MiB } }),
      'OUT_OF_RANGE',
      /limit 1048576 bytes is less than required 2097152/,
    );
    await expectStatus(call({ volume_capabilities: [] }), 'INVALID_ARGUMENT', /no volume_capabilities/);
    await expectStatus(
      call({ volume_capabilities: [{ block: {}, access_mode: { mode: 'MULTI_NODE_MULTI_WRITER' } }] }),
      'INVALID_ARGUMENT',
      /access mode MULTI_NODE_MULTI_WRITER is not possible/,
    );
    await expectStatus(
      call({ volume_content_source: { snapshot: { snapshot_id: 's' } } }),
      'NOT_FOUND',
      /snapshot s does not exist/,
    );
  });

  it('names the pools when none or an unknown one is asked for, and the parameters when one is unknown', async () => {
    const call = (parameters: Record<string, string>) =>
      driver.client.controller.CreateVolume(createRequest('pools', { parameters }));
    await expectStatus(call({}), 'INVALID_ARGUMENT', /parameter pool: is missing.*dir, small/);
    await expectStatus(call({ pool: 'fast' }), 'INVALID_ARGUMENT', /fast is unknown; pools are dir, small/);
    await expectStatus(call({ pool: 'dir', kind: 'x' }), 'INVALID_ARGUMENT', /known are pool, volumeType/);
  });

  it('takes the roomiest of several pools, and finds the volume there again', async () => {
    const { volume } = await create('roomy', { sizeMiB: 32, parameters: { pool: 'small,dir' } });
    expect(volume?.volume_id).toBe('dir/roomy');
    const again = await create('roomy', { sizeMiB: 32, parameters: { pool: 'small,dir' } });
    expect(again.volume?.volume_id).toBe('dir/roomy');
    await remove('dir/roomy');
  });

  it('says that a pool is full, with its figures', async () => {
    await expectStatus(
      driver.client.controller.CreateVolume(createRequest('huge', { sizeMiB: 4096, parameters: { pool: 'dir' } })),
      'RESOURCE_EXHAUSTED',
      /pool dir has [\d.]+ MiB left to promise, 4 GiB were asked for/,
    );
  });

  it('promises no byte twice to 32 creates at once on a pool with room for 8', async () => {
    await purged();
    const room = await driver.client.controller.GetCapacity({ parameters: { pool: 'dir' } });
    const sizeMiB = Math.floor(Number(room.available_capacity) / MiB / 8.5);
    const results = await Promise.all(
      Array.from({ length: 32 }, (_, i) =>
        driver.client.controller
          .CreateVolume(createRequest(`rush-${i}`, { sizeMiB, parameters: { pool: 'dir' } }))
          .then(({ volume }) => volume?.volume_id ?? '')
          .catch((error: unknown) => error as Error),
      ),
    );
    const made = results.filter((result) => typeof result === 'string');
    expect(made).toHaveLength(8);
    for (const result of results) if (result instanceof Error) expect(result.message).toMatch(/^8 RESOURCE_EXHAUSTED/);
    await Promise.all(made.map((handle) => remove(handle)));
    await purged();
  });

  it('lets one of two sizes for one name win when they come at once', async () => {
    const call = (sizeMiB: number) =>
      retried(() =>
        driver.client.controller.CreateVolume(createRequest('duel', { sizeMiB, parameters: { pool: 'dir' } })),
      );
    const [a, b] = await Promise.allSettled([call(2), call(3)]);
    expect([a?.status, b?.status].sort()).toEqual(['fulfilled', 'rejected']);
    const { entries } = await driver.client.controller.ListVolumes({});
    expect(entries.filter(({ volume }) => volume?.volume_id === 'dir/duel')).toHaveLength(1);
    await remove('dir/duel');
  });

  it('sets owner and mode of the root as the StorageClass says', async () => {
    const { volume } = await create('owned', { parameters: { uid: '1000', gid: '2000', mode: '2750' } });
    const entry = await stat(join(pool.path, volume?.volume_context['path'] ?? ''));
    expect([entry.uid, entry.gid, entry.mode & 0o7777]).toEqual([1000, 2000, 0o2750]);
    await remove('dir/owned');
  });

  describe('pathPattern', () => {
    const pattern = { pathPattern: '${pvc.metadata.namespace}/${pvc.metadata.name}' };
    const wish = (namespace: string, name: string) => ({
      parameters: { ...pattern, ...claimParameters(namespace, name, 'pv-1') },
    });

    it('gives a readable path, and takes the parents that it made with the last volume', async () => {
      await create('p1', wish('team-a', 'one'));
      await create('p2', wish('team-a', 'two'));
      expect(await readdir(join(pool.path, 'team-a'))).toEqual(['one', 'two']);
      await remove('dir/p1');
      expect(await readdir(join(pool.path, 'team-a'))).toEqual(['two']);
      await remove('dir/p2');
      await expect(stat(join(pool.path, 'team-a'))).rejects.toThrow('ENOENT');
      expect(await readdir(join(pool.path, '.kayal/paths'))).toEqual([]);
    });

    it('leaves parents alone that were there before', async () => {
      await mkdir(join(pool.path, 'theirs'));
      await create('p3', wish('theirs', 'one'));
      await remove('dir/p3');
      expect((await stat(join(pool.path, 'theirs'))).isDirectory()).toBe(true);
    });

    it('refuses a path that exists, or lies at, above or inside another volume', async () => {
      await mkdir(join(pool.path, 'team-b/data'), { recursive: true });
      await writeFile(join(pool.path, 'team-b/data/precious'), 'x');
      const call = (name: string, parameters: Record<string, string>) =>
        driver.client.controller.CreateVolume(createRequest(name, { parameters: { pool: 'dir', ...parameters } }));
      await expectStatus(call('e1', wish('team-b', 'data').parameters), 'ALREADY_EXISTS', /team-b\/data .* exists/);
      await create('inner', wish('team-c', 'vol'));
      await expectStatus(call('e2', { pathPattern: 'team-c/vol/sub' }), 'ALREADY_EXISTS', /inside volume dir\/inner/);
      await expectStatus(call('e3', { pathPattern: 'team-c' }), 'ALREADY_EXISTS', /above or inside volume dir\/inner/);
      await expectStatus(call('e4', { pathPattern: 'team-c/vol' }), 'ALREADY_EXISTS', /at, above or inside/);
      expect(await readFile(join(pool.path, 'team-b/data/precious'), 'utf8')).toBe('x');
      await remove('dir/inner');
    });

    it('never follows a link out of the pool', async () => {
      const { symlink } = await import('node:fs/promises');
      await symlink(directory, join(pool.path, 'out'));
      const call = driver.client.controller.CreateVolume(
        createRequest('e5', { parameters: { pool: 'dir', pathPattern: 'out/x' } }),
      );
      await expect(call).rejects.toThrow();
      await expect(stat(join(directory, 'x'))).rejects.toThrow('ENOENT');
    });

    it.each(['../x', '/etc', '.kayal/x', 'volumes/x', 'a/../../b'])('refuses the pattern %j', async (pathPattern) => {
      await expectStatus(
        driver.client.controller.CreateVolume(createRequest('e6', { parameters: { pool: 'dir', pathPattern } })),
        'INVALID_ARGUMENT',
        /parameter pathPattern/,
      );
    });
  });

  describe('onDelete', () => {
    const write = async (path: string) => writeFile(join(pool.path, path, 'file'), 'data');

    it('archive keeps the data aside, and counts it', async () => {
      const { volume } = await create('keep-1', { sizeMiB: 5, parameters: { onDelete: 'archive' } });
      await write(volume?.volume_context['path'] ?? '');
      const before = await driver.client.controller.GetCapacity({ parameters: { pool: 'dir' } });
      await remove('dir/keep-1');
      const [name] = await readdir(join(pool.path, '.kayal/archive'));
      expect(await readFile(join(pool.path, '.kayal/archive', name ?? '', 'file'), 'utf8')).toBe('data');
      const after = await driver.client.controller.GetCapacity({ parameters: { pool: 'dir' } });
      expect(Math.abs(Number(after.available_capacity) - Number(before.available_capacity))).toBeLessThan(MiB);
      await remove('dir/keep-1');
    });

    it('retain leaves it where it is', async () => {
      const { volume } = await create('keep-2', { parameters: { onDelete: 'retain' } });
      const path = volume?.volume_context['path'] ?? '';
      await write(path);
      await remove('dir/keep-2');
      expect(await readFile(join(pool.path, path, 'file'), 'utf8')).toBe('data');
      await expectStatus(
        driver.client.controller.CreateVolume(createRequest('keep-2', { parameters: { pool: 'dir' } })),
        'ALREADY_EXISTS',
        /is kept \(retained/,
      );
    });
  });

  it('answers DeleteVolume of what it does not know with OK, and touches nothing', async () => {
    const before = await readdir(pool.path);
    for (const handle of ['fake', 'dir/none', 'dir/../../etc', `dir/${'x'.repeat(200)}`]) await remove(handle);
    expect(await readdir(pool.path)).toEqual(before);
    await expectStatus(driver.client.controller.DeleteVolume({ volume_id: '' }), 'INVALID_ARGUMENT', /volume_id/);
  });

  it('does not say that what lies in a pool it does not know is deleted', async () => {
    const { controller } = driver.client;
    await expectStatus(controller.DeleteVolume({ volume_id: 'gone/x' }), 'FAILED_PRECONDITION', /pool gone is not in/);
    await expectStatus(
      controller.DeleteSnapshot({ snapshot_id: 'gone/x' }),
      'FAILED_PRECONDITION',
      /pool gone is not in/,
    );
  });

  it('expands, and never shrinks', async () => {
    await create('grow', { sizeMiB: 2 });
    const expand = (required: number, limit = 0) =>
      driver.client.controller.ControllerExpandVolume({
        volume_id: 'dir/grow',
        capacity_range: { required_bytes: required * MiB, limit_bytes: limit * MiB },
      });
    expect((await expand(6)).capacity_bytes).toBe(String(6 * MiB));
    expect(await expand(3)).toEqual({ capacity_bytes: String(6 * MiB), node_expansion_required: false });
    await expectStatus(expand(4096), 'RESOURCE_EXHAUSTED', /left to promise/);
    await expectStatus(expand(8, 7), 'OUT_OF_RANGE', /less than required/);
    await remove('dir/grow');
    await expectStatus(expand(8), 'NOT_FOUND', /dir\/grow does not exist/);
  });

  it('pages stably over volumes that come and go between pages', async () => {
    for (const name of ['l1', 'l3', 'l5']) await create(name);
    const page = (token: string) => driver.client.controller.ListVolumes({ max_entries: 1, starting_token: token });
    const ids = (answer: Awaited<ReturnType<typeof page>>) => answer.entries.map(({ volume }) => volume?.volume_id);
    const first = await page('');
    expect(ids(first)).toEqual(['dir/l1']);
    await remove('dir/l1');
    await create('l2');
    const second = await page(first.next_token);
    expect(ids(second)).toEqual(['dir/l2']);
    const third = await page(second.next_token);
    expect(ids(third)).toEqual(['dir/l3']);
    const last = await page(third.next_token);
    expect([ids(last), last.next_token]).toEqual([['dir/l5'], '']);
    await expectStatus(page('not-a-token'), 'ABORTED', /start again without one/);
    for (const name of ['l2', 'l3', 'l5']) await remove(`dir/${name}`);
  });

  it('validates capabilities: unknown volume NOT_FOUND, unsupported ones not confirmed', async () => {
    await create('check');
    const validate = (volume_id: string, capability: object) =>
      driver.client.controller.ValidateVolumeCapabilities({ volume_id, volume_capabilities: [capability] });
    expect((await validate('dir/check', SHARED)).confirmed?.volume_capabilities).toHaveLength(1);
    const refused = await validate('dir/check', { block: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' } });
    expect([refused.confirmed, refused.message]).toEqual([null, expect.stringMatching(/block/)]);
    await expectStatus(validate('dir/none', SHARED), 'NOT_FOUND', /dir\/none does not exist/);
    await remove('dir/check');
  });

  it('reports a volume whose record is torn, not JSON, or of a newer version; all others work', async () => {
    for (const name of ['torn', 'newer', 'fine']) await create(name, { sizeMiB: 3 });
    await driver.stop();
    const torn = join(pool.path, recordPath('torn'));
    await writeFile(torn, (await readFile(torn, 'utf8')).slice(0, 40));
    const newer = join(pool.path, recordPath('newer'));
    await writeFile(
      newer,
      JSON.stringify({ ...(JSON.parse(await readFile(newer, 'utf8')) as object), formatVersion: 9 }),
    );
    driver = await Driver.start({
      directory,
      pools: [
        { name: 'dir', type: 'directory', path: pool.path, shared: true, quota: 'none' },
        { name: 'small', type: 'directory', path: other.path, shared: true, quota: 'none' },
      ],
    });
    await create('after');
    const { entries } = await driver.client.controller.ListVolumes({});
    const conditions = new Map(
      entries.map(({ volume, status }) => [volume?.volume_id, status?.volume_condition?.abnormal]),
    );
    expect(conditions).toEqual(
      new Map([
        ['dir/after', false],
        ['dir/fine', false],
        ['dir/newer', false],
        ['dir/torn', true],
      ]),
    );
    await expectStatus(
      driver.client.controller.DeleteVolume({ volume_id: 'dir/torn' }),
      'UNAVAILABLE',
      /record .*torn.json of volume torn is damaged/,
    );
    await expectStatus(
      driver.client.controller.DeleteVolume({ volume_id: 'dir/newer' }),
      'FAILED_PRECONDITION',
      /has format 9, this Kayal writes 1/,
    );
    expect(await readdir(join(pool.path, '.kayal/volumes', bucketOf('newer')))).toContain('newer.json');
    for (const name of ['fine', 'after']) await remove(`dir/${name}`);
  });
});
