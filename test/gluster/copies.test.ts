import { appendFile, mkdir, mkdtemp, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CreateVolumeRequest } from '../../src/gen/csi/v1/CreateVolumeRequest.js';
import { Driver, managedPool } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { MountedVolumes } from '../lib/mounted-volumes.js';
import { MiB, createRequest, expectStatus, retried, type VolumeWish } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { describeTree, fillRichTree } from '../lib/rich-tree.js';
import { sleep, waitFor } from '../lib/wait.js';

/** Snapshots, restores and clones, where blocks can be shared and where everything is copied through GlusterFS. */
describe.each(['directory', 'managed'] as const)('copies on a %s pool', { timeout: 300_000 }, (type) => {
  let directory: string;
  let loops: LoopDirectory[];
  let driver: Driver;
  let mounts: MountedVolumes;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'c-'));
    loops = [await loopDirectory(directory, 'other', 256)];
    if (type === 'directory') loops.push(await loopDirectory(directory, 'main', 1024, 'xfs'));
    driver = await Driver.start({
      directory,
      pools: [
        type === 'managed'
          ? await managedPool(directory, 'main')
          : { name: 'main', type: 'directory', path: join(directory, 'main'), shared: true, quota: 'none' },
        { name: 'other', type: 'directory', path: join(directory, 'other'), shared: true, quota: 'none' },
      ],
    });
    mounts = new MountedVolumes(directory, () => driver);
  });

  afterAll(async () => {
    await mounts?.releaseAll();
    await driver?.stop();
    for (const loop of loops ?? []) await loop.remove();
  });

  const controller = () => driver.client.controller;
  const request = (name: string, wish: VolumeWish, source?: object): CreateVolumeRequest => ({
    ...createRequest(name, { ...wish, parameters: { pool: 'main', ...wish.parameters } }),
    ...(source === undefined ? {} : { volume_content_source: source }),
  });
  const create = async (name: string, wish: VolumeWish, source?: object): Promise<string> =>
    (await retried(() => controller().CreateVolume(request(name, wish, source)), 240_000)).volume?.volume_id ?? '';
  const remove = async (handle: string): Promise<void> => {
    await mounts.release(handle);
    await retried(() => controller().DeleteVolume({ volume_id: handle }));
  };
  const snapshot = (name: string, source: string) =>
    retried(() => controller().CreateSnapshot({ name, source_volume_id: source }), 240_000);
  const removeSnapshot = (handle: string) => retried(() => controller().DeleteSnapshot({ snapshot_id: handle }));
  const ofSnapshot = (handle: string) => ({ snapshot: { snapshot_id: handle } });
  const ofVolume = (handle: string) => ({ volume: { volume_id: handle } });

  const fill = (path: string): Promise<void> => fillRichTree(path, { acl: type === 'directory' });

  it('keeps everything in a snapshot, a restore, a clone and in another pool; says where a volume is from', async () => {
    const source = await create('source', { sizeMiB: 64 });
    const path = await mounts.path(source);
    await fill(path);
    await mustRun('sync', ['-f', path]);
    const original = await describeTree(path);

    const taken = await snapshot('snap', source);
    expect(taken.snapshot).toMatchObject({
      snapshot_id: 'main/snap',
      source_volume_id: source,
      size_bytes: String(64 * MiB),
      ready_to_use: true,
    });
    await writeFile(join(path, 'later'), 'not in the snapshot');
    await mustRun('rm', ['-r', 'm1'], { cwd: path });
    expect(await snapshot('snap', source)).toEqual(taken);

    const answer = await retried(() =>
      controller().CreateVolume(request('restored', { sizeMiB: 64 }, ofSnapshot('main/snap'))),
    );
    expect(answer.volume?.content_source).toMatchObject(ofSnapshot('main/snap'));
    const restored = await mounts.path('main/restored');
    expect(await describeTree(restored)).toBe(original);
    expect((await stat(join(restored, 'sparse'))).blocks * 512).toBeLessThan(5 * MiB);

    const clone = await create('clone', { sizeMiB: 80 }, ofVolume('main/restored'));
    expect(await describeTree(await mounts.path(clone))).toBe(original);

    const elsewhere = await create(
      'elsewhere',
      { sizeMiB: 64, parameters: { pool: 'other' } },
      ofSnapshot('main/snap'),
    );
    expect(elsewhere).toBe('other/elsewhere');
    expect(await describeTree(await mounts.path(elsewhere))).toBe(original);

    const owned = await create(
      'owned',
      { sizeMiB: 64, parameters: { uid: '9', mode: '0700' } },
      ofSnapshot('main/snap'),
    );
    const root = await stat(await mounts.path(owned));
    expect([root.uid, root.gid, root.mode & 0o7777]).toEqual([9, 88, 0o700]);

    // Neither is what came of it: a snapshot does not need its source.
    await remove(source);
    const again = await create('again', { sizeMiB: 64 }, ofSnapshot('main/snap'));
    expect(await describeTree(await mounts.path(again))).toBe(original);
    for (const handle of ['main/restored', clone, elsewhere, owned, again]) await remove(handle);
    await removeSnapshot('main/snap');
    await removeSnapshot('main/snap');
    expect((await controller().ListSnapshots({})).entries).toEqual([]);
  });

  it('compares sizes and sources, and knows what does not exist', async () => {
    const source = await create('s', { sizeMiB: 8 });
    const second = await create('s2', { sizeMiB: 8 });
    await snapshot('snap', source);
    const call = (name: string, wish: VolumeWish, from: object) => controller().CreateVolume(request(name, wish, from));
    await expectStatus(call('less', { sizeMiB: 4 }, ofSnapshot('main/snap')), 'OUT_OF_RANGE', /8388608 bytes/);
    await expectStatus(call('less', { sizeMiB: 4 }, ofVolume(source)), 'OUT_OF_RANGE', /8388608 bytes/);
    await expectStatus(call('none', {}, ofSnapshot('main/nothing')), 'NOT_FOUND', /main\/nothing does not exist/);
    await expectStatus(call('none', {}, ofSnapshot('nonsense')), 'NOT_FOUND', /does not exist/);
    await expectStatus(call('none', {}, ofVolume('main/nothing')), 'NOT_FOUND', /main\/nothing does not exist/);
    await expectStatus(call('none', {}, { snapshot: {} }), 'INVALID_ARGUMENT', /neither a snapshot nor a volume/);
    await expectStatus(
      controller().CreateSnapshot({ name: 'snap', source_volume_id: second }),
      'ALREADY_EXISTS',
      /of main\/s$/,
    );
    await expectStatus(
      controller().CreateSnapshot({ name: 'other', source_volume_id: 'main/nothing' }),
      'NOT_FOUND',
      /does not exist/,
    );
    await expectStatus(
      controller().CreateSnapshot({ name: 'other', source_volume_id: source, parameters: { nonsense: '1' } }),
      'INVALID_ARGUMENT',
      /nonsense/,
    );
    await create('same', { sizeMiB: 8 }, ofSnapshot('main/snap'));
    await expectStatus(
      call('same', { sizeMiB: 8 }, ofVolume(source)),
      'ALREADY_EXISTS',
      /it is made from snapshot main\/snap/,
    );
    await expectStatus(
      controller().CreateVolume(request('same', { sizeMiB: 8 })),
      'ALREADY_EXISTS',
      /empty is asked for/,
    );
    // Without a size the source's is taken; without a pool, the source's.
    const { volume } = await retried(() =>
      controller().CreateVolume({
        ...createRequest('unsized'),
        capacity_range: null,
        volume_content_source: ofSnapshot('main/snap'),
      }),
    );
    expect(volume).toMatchObject({ volume_id: 'main/unsized', capacity_bytes: String(8 * MiB) });
    for (const handle of [source, second, 'main/same', 'main/unsized']) await remove(handle);
    // A volume that is made exists without its source, also for a retry.
    await removeSnapshot('main/snap');
  });

  it('lists snapshots in pages that stay where they are', async () => {
    const [a, b] = [await create('a', { sizeMiB: 1 }), await create('b', { sizeMiB: 1 })];
    for (const name of ['p1', 'p2', 'p3']) await snapshot(name, a);
    await snapshot('q1', b);
    const handles = (list: Awaited<ReturnType<Driver['client']['controller']['ListSnapshots']>>) =>
      list.entries.map((entry) => entry.snapshot?.snapshot_id);
    expect(handles(await controller().ListSnapshots({ source_volume_id: a }))).toEqual([
      'main/p1',
      'main/p2',
      'main/p3',
    ]);
    expect(handles(await controller().ListSnapshots({ snapshot_id: 'main/q1' }))).toEqual(['main/q1']);
    expect(handles(await controller().ListSnapshots({ snapshot_id: 'main/none' }))).toEqual([]);
    const first = await controller().ListSnapshots({ max_entries: 2 });
    expect(handles(first)).toEqual(['main/p1', 'main/p2']);
    await removeSnapshot('main/p2');
    const second = await controller().ListSnapshots({ max_entries: 2, starting_token: first.next_token });
    expect([handles(second), second.next_token]).toEqual([['main/p3', 'main/q1'], '']);
    await expectStatus(controller().ListSnapshots({ starting_token: '?' }), 'ABORTED', /not one of this driver/);
    expect((await controller().GetSnapshot({ snapshot_id: 'main/p1' })).snapshot?.source_volume_id).toBe(a);
    await expectStatus(controller().GetSnapshot({ snapshot_id: 'main/p2' }), 'NOT_FOUND', /does not exist/);
    for (const name of ['p1', 'p3', 'q1']) await removeSnapshot(`main/${name}`);
    for (const handle of [a, b]) await remove(handle);
  });

  it('clones a volume that is written to all the while: each file as it was at some moment', async () => {
    const source = await create('busy', { sizeMiB: 64 });
    const path = await mounts.path(source);
    const letters = (n: number): string => String.fromCodePoint(97 + (n % 26)).repeat(50_000);
    for (let n = 0; n < 40; n++) await writeFile(join(path, `f${n}`), letters(n));
    const over = new AbortController();
    let written = 0;
    const write = async (): Promise<void> => {
      for (let n = 0; !over.signal.aborted; n++, written++) {
        await writeFile(join(path, '.new'), letters(n));
        await rename(join(path, '.new'), join(path, `f${n % 40}`));
        await appendFile(join(path, 'log'), `${n}\n`);
        await sleep(5);
      }
    };
    const writing = write();
    await waitFor('the writer to be at work', () => (written > 10 ? true : undefined));
    const clone = await create('busy-clone', { sizeMiB: 64 }, ofVolume(source));
    const taken = await snapshot('busy-snap', source);
    over.abort();
    await writing;
    const restored = await create('busy-restored', { sizeMiB: 64 }, ofSnapshot(taken.snapshot?.snapshot_id ?? ''));
    for (const handle of [clone, restored]) {
      const copy = await mounts.path(handle);
      const files = (await readdir(copy)).filter((name) => name.startsWith('f'));
      expect(files.length).toBeGreaterThan(36);
      for (const name of files) {
        const content = await readFile(join(copy, name), 'utf8');
        expect({ name, whole: content === (content[0] ?? '').repeat(50_000) }).toEqual({ name, whole: true });
      }
      const log = (await readFile(join(copy, 'log'), 'utf8')).trimEnd().split('\n');
      expect(log).toEqual(log.map((_, n) => String(n)));
    }
    for (const handle of [source, clone, restored]) await remove(handle);
    await removeSnapshot('main/busy-snap');
  });

  // The bricks of the managed pool share their filesystem with whatever else runs here: its figures are not this test's alone.
  const onDirectory = type === 'directory' ? it : undefined;
  onDirectory?.('counts a snapshot with what its source used, and gives that back', async () => {
    const available = async (): Promise<number> =>
      Number((await retried(() => controller().GetCapacity({ parameters: { pool: 'main' } }))).available_capacity);
    const purged = () =>
      waitFor('the trash to be purged', async () =>
        Math.abs((await available()) - before) < 4 * MiB ? true : undefined,
      );
    const source = await create('counted', { sizeMiB: 128 });
    const path = await mounts.path(source);
    await mustRun('dd', ['if=/dev/urandom', 'of=data', 'bs=1M', 'count=24', 'conv=fsync', 'status=none'], {
      cwd: path,
    });
    await sleep(1_500);
    const before = await available();
    await snapshot('counted-snap', source);
    await sleep(1_500);
    const taken = before - (await available());
    expect(taken / MiB).toBeGreaterThan(23);
    expect(taken / MiB).toBeLessThan(30);
    await removeSnapshot('main/counted-snap');
    await purged();
    await remove(source);
  });

  it('takes snapshots of several volumes as a group', async () => {
    const { groupController } = driver.client;
    const sources = [await create('g1', { sizeMiB: 4 }), await create('g2', { sizeMiB: 4 })];
    for (const source of sources) await writeFile(join(await mounts.path(source), 'name'), source);
    const take = (name: string, source_volume_ids: string[]) =>
      retried(() => groupController.CreateVolumeGroupSnapshot({ name, source_volume_ids }));
    const group = await take('group', sources);
    expect(await take('group', [...sources].reverse())).toEqual(group);
    const { group_snapshot: made } = group;
    expect(made).toMatchObject({ group_snapshot_id: 'main/group', ready_to_use: true });
    const members = (made?.snapshots ?? []).map(({ snapshot_id }) => snapshot_id);
    expect(made?.snapshots.map(({ source_volume_id }) => source_volume_id)).toEqual(sources);
    expect(made?.snapshots.every(({ group_snapshot_id }) => group_snapshot_id === 'main/group')).toBe(true);
    await expectStatus(take('group', [sources[0] ?? '']), 'ALREADY_EXISTS', /of other volumes/);
    await expectStatus(take('none', ['main/nothing']), 'NOT_FOUND', /does not exist/);
    const got = await groupController.GetVolumeGroupSnapshot({
      group_snapshot_id: 'main/group',
      snapshot_ids: members,
    });
    expect(got).toEqual(group);
    await expectStatus(
      groupController.GetVolumeGroupSnapshot({ group_snapshot_id: 'main/group', snapshot_ids: ['main/other'] }),
      'INVALID_ARGUMENT',
      /consists of/,
    );
    await expectStatus(
      controller().DeleteSnapshot({ snapshot_id: members[0] ?? '' }),
      'FAILED_PRECONDITION',
      /delete the group/,
    );
    const restored = await create('g-restored', { sizeMiB: 4 }, ofSnapshot(members[1] ?? ''));
    expect(await readFile(join(await mounts.path(restored), 'name'), 'utf8')).toBe(sources[1]);
    const removeGroup = () =>
      retried(() =>
        groupController.DeleteVolumeGroupSnapshot({ group_snapshot_id: 'main/group', snapshot_ids: members }),
      );
    await removeGroup();
    await removeGroup();
    await expectStatus(
      groupController.GetVolumeGroupSnapshot({ group_snapshot_id: 'main/group', snapshot_ids: [] }),
      'NOT_FOUND',
      /does not exist/,
    );
    for (const handle of [...sources, restored]) await remove(handle);
  });

  const onManaged = type === 'managed' ? it : undefined;
  onManaged?.('keeps the limit of what is restored and cloned', async () => {
    const source = await create('limited', { sizeMiB: 16 });
    await mustRun('dd', ['if=/dev/urandom', `of=${await mounts.path(source)}/data`, 'bs=1M', 'count=8', 'status=none']);
    await snapshot('limited-snap', source);
    const restored = await create('limited-restored', { sizeMiB: 20 }, ofSnapshot('main/limited-snap'));
    const clone = await create('limited-clone', { sizeMiB: 20 }, ofVolume(source));
    for (const handle of [restored, clone]) {
      const path = await mounts.path(handle);
      const { code, stderr } = await runCommand('dd', [
        'if=/dev/zero',
        `of=${path}/more`,
        'bs=1M',
        'count=64',
        'conv=fsync',
      ]);
      expect(`${code} ${stderr}`).toMatch(/^1 .*(?:quota exceeded|No space left)/s);
      const used = Number((await mustRun('du', ['-sm', path])).split('\t')[0]);
      expect(used).toBeGreaterThan(16);
      expect(used).toBeLessThan(25);
    }
    for (const handle of [source, restored, clone]) await remove(handle);
    await removeSnapshot('main/limited-snap');
  });

  it('answers before a long copy ends, and does not let its source go', async () => {
    const source = await create('long', { sizeMiB: 200 });
    const path = await mounts.path(source);
    // Many small files: neither shared blocks nor large slices help.
    const perDirectory = type === 'managed' ? 6 : 100;
    await mkdir(join(path, 'many'));
    const script = `for d in $(seq 30); do mkdir many/$d; for f in $(seq ${perDirectory}); do echo $f > many/$d/$f; done; done`;
    await mustRun('bash', ['-c', script], { cwd: path, timeoutMs: 120_000 });
    await snapshot('long-snap', source);
    const started = performance.now();
    const first = controller()
      .CreateVolume(request('long-copy', { sizeMiB: 200 }, ofSnapshot('main/long-snap')))
      .then(
        () => 'OK',
        (error: Error) => error.message,
      );
    const outcome = await first;
    const ms = performance.now() - started;
    expect(ms).toBeLessThan(10_000);
    if (outcome !== 'OK') {
      expect(outcome).toMatch(/^10 ABORTED: volume main\/long-copy is being made: \d+ entries/);
      await expectStatus(
        controller().DeleteSnapshot({ snapshot_id: 'main/long-snap' }),
        'FAILED_PRECONDITION',
        /main\/long-copy/,
      );
      expect((await controller().ListVolumes({})).entries.map((entry) => entry.volume?.volume_id)).not.toContain(
        'main/long-copy',
      );
    }
    const copy = await create('long-copy', { sizeMiB: 200 }, ofSnapshot('main/long-snap'));
    console.log(
      `${type}: ${30 * perDirectory} small files copied in ${Math.round((performance.now() - started) / 100) / 10} s, first answer after ${Math.round(ms)} ms: ${outcome}`,
    );
    expect(await mustRun('bash', ['-c', 'find many | wc -l'], { cwd: await mounts.path(copy) })).toBe(
      `${31 + 30 * perDirectory}\n`,
    );
    for (const handle of [source, copy]) await remove(handle);
    await removeSnapshot('main/long-snap');
  });
});
