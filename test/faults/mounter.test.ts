import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flockHolders } from '../../src/linux/file-locks.js';
import { parseMountinfo, readMountinfo, type MountEntry } from '../../src/linux/mountinfo.js';
import { isProcessAlive } from '../../src/linux/process-info.js';
import { Confinement } from '../lib/confinement.js';
import { Container } from '../lib/container.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { Glusterd } from '../lib/glusterd.js';
import { startKubeApi, type KubeApi } from '../lib/kube-api.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { SHARED, createRequest, expectStatus, retried } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';

const POOL = 'ext';
const HANDLE = `${POOL}/data`;
const GROUP = 5_000;
const HEALED_WITHIN_MS = 10_000;

/**
 * The mounter and the node role as two containers with hostPID: a mount namespace and cgroups each, and whatever is in the
 * cgroups is killed when one ends.
 */
describe('mounter', () => {
  let directory: string;
  let glusterd: Glusterd;
  let api: KubeApi;
  let controller: Driver;
  let node: Driver;
  let nodeContainer: Confinement;
  let mounterContainer: Confinement;
  let mounter: ChildProcess;
  let writer: Container;
  const timings: string[] = [];

  const path = (...names: readonly string[]): string => join(directory, ...names);
  const target = (name = 'target'): string => path('pods', name);
  const pools = () => [{ name: POOL, type: 'gluster', hosts: [glusterd.host], volume: 'gv0', quota: 'none' }];

  /** What the chart's mounter runs, after `prefix`. */
  const startMounter = async (prefix = mounterContainer.prefix): Promise<ChildProcess> => {
    const [program = '', ...args] = [
      ...prefix,
      ...['tini', '-s', '--', 'flock', '--no-fork', '.', 'sleep', 'infinity'],
    ];
    // By its working directory: another user cannot come here by the path.
    const child = spawn(program, args, { stdio: 'inherit', cwd: path('mounter') });
    await waitFor('the mounter', async () => ((await flockHolders(path('mounter'))).length > 0 ? true : undefined));
    return child;
  };
  const startNode = (prefix = nodeContainer.prefix): Promise<Driver> =>
    Driver.start({
      directory: path('node'),
      role: 'node',
      pools: pools(),
      mounter: path('mounter'),
      prefix,
      metricsAddress: '127.0.0.1:0',
      env: { KAYAL_REGISTER: 'no', KAYAL_KUBECONFIG: path('kubeconfig') },
    });

  const request = () => ({
    volume_id: HANDLE,
    staging_target_path: path('staging'),
    volume_capability: SHARED,
    // As kubelet adds it (podInfoOnMount).
    volume_context: {
      'csi.storage.k8s.io/pod.namespace': 'team',
      'csi.storage.k8s.io/pod.name': 'writer',
      'csi.storage.k8s.io/pod.uid': 'writer-uid',
    },
  });
  /** Waits for an event of the pod that was sent after the first `after` ones. */
  const event = (reason: string, after: number): Promise<unknown> =>
    waitFor(`the event ${reason}`, () =>
      api.requests.slice(after).find(({ body }) => (body as { reason?: unknown }).reason === reason),
    );
  const stage = (timeoutMs?: number) => node.client.node.NodeStageVolume(request(), { timeoutMs });
  const publish = (name?: string) => node.client.node.NodePublishVolume({ ...request(), target_path: target(name) });
  const unpublish = (name?: string) =>
    node.client.node.NodeUnpublishVolume({ volume_id: HANDLE, target_path: target(name) });

  const health = async (page: string): Promise<string> => {
    const log = await readFile(driverPaths(path('node')).log, 'utf8');
    const address = [...log.matchAll(/"metrics":"([^"]+)"/g)].at(-1)?.[1];
    const response = await fetch(`http://${address}/${page}`);
    return `${response.status} ${(await response.text()).trim()}`;
  };

  const clientDirectory = (): string =>
    join(driverPaths(path('node')).kubeletDir, 'plugins/csi.kayal.storage/pools', POOL);
  const client = async (): Promise<{ pid: number; startTime: string }> =>
    JSON.parse(await readFile(join(clientDirectory(), 'client.pid'), 'utf8')) as { pid: number; startTime: string };

  /** Glusterfs processes in the mounter's cgroups; tini and what it runs are the others. */
  const clientsInside = async (): Promise<number[]> => {
    const pids = await mounterContainer.pids();
    const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8')));
    return pids.filter((_, index) => names[index]?.startsWith('glusterfs') === true);
  };

  const checkInMounter = async (): Promise<void> => {
    const { pid } = await client();
    expect(await clientsInside()).toEqual([pid]);
    expect(await nodeContainer.pids()).not.toContain(pid);
    const [inside] = await flockHolders(path('mounter'));
    for (const name of ['mnt', 'net', 'pid']) {
      expect(await readlink(`/proc/${pid}/ns/${name}`)).toBe(await readlink(`/proc/${inside}/ns/${name}`));
    }
    expect(await readlink(`/proc/${pid}/ns/mnt`)).not.toBe(await readlink(`/proc/${node.pid}/ns/mnt`));
  };

  /** Targets of the node's GlusterFS mounts as a process sees them. */
  const glusterMounts = async (pid: number | string | undefined): Promise<string[]> => {
    const entries = parseMountinfo(await readFile(`/proc/${pid}/mountinfo`, 'utf8'));
    const isOurs = ({ fsType, target: at }: MountEntry): boolean =>
      fsType === 'fuse.glusterfs' && at.startsWith(`${directory}/`) && !at.startsWith(path('controller/'));
    return entries.filter(isOurs).map((entry) => entry.target);
  };

  /** In every mount namespace of this test. */
  const checkNothingStacked = async (): Promise<void> => {
    const [inside] = await flockHolders(path('mounter'));
    for (const pid of ['self', inside, node.pid, writer.pid]) {
      const targets = await glusterMounts(pid);
      expect(targets).not.toEqual([]);
      expect(targets).toEqual([...new Set(targets)]);
    }
  };

  const checkNoErrors = (at: number): void => {
    expect(writer.since(at).filter(({ ok }) => !ok)).toEqual([]);
    expect(writer.since(at).length).toBeGreaterThan(10);
    expect(writer.isRunning).toBe(true);
  };

  /** Without an answer since then, in ms. */
  const longestPause = (at: number): number => {
    const times = [at, ...writer.since(at).map((attempt) => attempt.at)];
    return Math.round(Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? at))));
  };

  /** Milliseconds from `at` to the first success after the last error. */
  const writesAgain = async (at: number): Promise<number> => {
    const back = await waitFor('the writer to go on', () => {
      const after = writer.since(at);
      const lastError = after.findLastIndex(({ ok }) => !ok);
      return lastError >= 0 && after.length - lastError > 25 ? after[lastError + 1]?.at : undefined;
    });
    return Math.round(back - at);
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mntr-'));
    // As systemd has it for all of a node.
    await mustRun('mount', ['--bind', directory, directory]);
    await mustRun('mount', ['--make-shared', directory]);
    for (const name of ['server', 'pods', 'staging', 'mounter', 'controller']) await mkdir(path(name));
    // Somebody who is not root comes through here.
    await chmod(directory, 0o755);
    api = await startKubeApi();
    api.answer = () => ({ status: 201, body: {} });
    await writeFile(path('kubeconfig'), api.kubeconfig({ token: 't' }, { 'certificate-authority-data': btoa(api.ca) }));
    glusterd = await Glusterd.start(path('server'));
    await glusterd.gluster('volume', 'create', 'gv0', glusterd.brick('brick'), 'force');
    await glusterd.gluster('volume', 'start', 'gv0');
    nodeContainer = await Confinement.create('node');
    mounterContainer = await Confinement.create('mounter');
    controller = await Driver.start({ directory: path('controller'), role: 'controller', pools: pools() });
    const parameters = { gid: String(GROUP), mode: '0770' };
    await retried(() => controller.client.controller.CreateVolume(createRequest('data', { sizeMiB: 100, parameters })));
    node = await startNode();
  });

  afterAll(async () => {
    console.log(timings.join('\n'));
    await writer?.stop();
    await controller?.stop();
    node?.client.close();
    await nodeContainer?.remove();
    await mounterContainer?.remove();
    await glusterd?.stop();
    await api?.stop();
    await removeLeftovers(directory);
  });

  it('without one nothing is mounted, and everybody is told what is missing', async () => {
    await expectStatus(stage(), 'UNAVAILABLE', /there is no mounter: nobody holds the lock on .*\/mounter\./);
    expect(await health('readyz')).toMatch(/^503 there is no mounter/);
    expect(await health('healthz')).toBe('200 ok');
    expect((await node.client.identity.Probe({})).ready?.value).toBe(true);
  });

  it('one with a pid namespace of its own is refused, as its clients could not ask for groups', async () => {
    const child = await startMounter(['unshare', '--pid', '--fork', '--kill-child']);
    try {
      await expectStatus(stage(), 'FAILED_PRECONDITION', /in another pid namespace: .* hostPID: true/);
    } finally {
      child.kill('SIGKILL');
      await waitFor('its end', async () => ((await flockHolders(path('mounter'))).length === 0 ? true : undefined));
    }
  });

  it('one of another user is refused, as it would say what is started as root', async () => {
    const child = await startMounter(['setpriv', '--reuid=1000', '--clear-groups']);
    try {
      await expectStatus(stage(), 'FAILED_PRECONDITION', /holds the mounter's lock .* but is not root's/);
    } finally {
      const [holder] = await flockHolders(path('mounter'));
      child.kill('SIGKILL');
      if (holder !== undefined) process.kill(holder, 'SIGKILL');
      await waitFor('its end', async () => ((await flockHolders(path('mounter'))).length === 0 ? true : undefined));
    }
  });

  it.each([
    ['private', /is not seen here: both containers need mountPropagation: Bidirectional/],
    ['hidden', /does not see .*: both need the same hostPath/],
  ])('one whose mounts are %s is refused', async (what, message) => {
    const kubelet = driverPaths(path('node')).kubeletDir;
    const apart = ['unshare', '--mount', '--propagation', 'private'];
    const child = await startMounter(
      what === 'private' ? apart : [...apart, 'sh', '-c', `mount -t tmpfs none ${kubelet} && exec "$@"`, 'sh'],
    );
    try {
      await expectStatus(stage(), 'FAILED_PRECONDITION', message);
    } finally {
      const [holder] = await flockHolders(path('mounter'));
      child.kill('SIGKILL');
      if (holder !== undefined) process.kill(holder, 'SIGKILL');
      await waitFor('its end', async () => ((await flockHolders(path('mounter'))).length === 0 ? true : undefined));
    }
  });

  it('when it comes, clients are started in it: its namespaces, its cgroups', async () => {
    mounter = await startMounter();
    await waitFor('readiness', async () => ((await health('readyz')) === '200 ok' ? true : undefined));
    await stage();
    await publish();
    await checkInMounter();
    const mounts = [{ from: target(), at: 'data' }];
    writer = await Container.start({ directory: path('writer'), mounts, verb: 'append', files: ['data/log'] });
    await checkNothingStacked();
  });

  it("a pod's additional groups count, as its client sees the pod's processes", async () => {
    const touch = (groups: string) =>
      runCommand('setpriv', ['--reuid=1000', '--regid=1000', groups, 'touch', 'of-group'], { cwd: target() });
    expect(await touch(`--groups=${GROUP}`)).toMatchObject({ code: 0 });
    expect(await touch('--clear-groups')).toMatchObject({ code: 1 });
  });

  it('the container of the node role ends, with all that is in it: the writer notices nothing, the next one adopts', async () => {
    const before = await client();
    const mounts = [{ from: target(), at: 'data' }];
    const holder = await Container.start({ directory: path('holder'), mounts, verb: 'hold', files: ['data/held'] });
    const at = performance.now();
    await nodeContainer.kill();
    expect(node.isRunning).toBe(false);
    node.client.close();
    await sleep(1_000);
    node = await startNode();
    await stage();
    await publish();
    await publish('second');
    await sleep(500);
    checkNoErrors(at);
    // Nor does who has a file open.
    const held = holder.since(at);
    await holder.stop();
    expect(held.filter(({ ok }) => !ok)).toEqual([]);
    expect(held.length).toBeGreaterThan(10);
    expect(await client()).toEqual(before);
    await checkInMounter();
    await checkNothingStacked();
    await unpublish('second');
    checkNoErrors(at);
  });

  it('SIGTERM, as an upgrade sends it: the call in flight ends well, nothing is unmounted', async () => {
    const { pid, startTime } = await client();
    const at = performance.now();
    process.kill(pid, 'SIGSTOP');
    let flight: ReturnType<typeof publish>;
    let isAnswered = false;
    try {
      flight = node.client.node.NodePublishVolume({ ...request(), target_path: target('late') });
      void flight.finally(() => (isAnswered = true));
      await sleep(300);
      expect(await health('healthz')).toBe('200 ok');
      process.kill(node.pid, 'SIGTERM');
      await sleep(700);
      expect([node.isRunning, isAnswered]).toEqual([true, false]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await flight;
    // stop() would send another one, which does not wait.
    await waitFor('the end of the node role', () => (node.isRunning ? undefined : true));
    expect(await node.stop()).toBe(0);
    const mounted = (await readMountinfo()).map((entry) => entry.target);
    expect(mounted).toEqual(expect.arrayContaining([target(), target('late')]));
    expect(await isProcessAlive(pid, startTime)).toBe(true);
    node = await startNode();
    await unpublish('late');
    checkNoErrors(at);
    timings.push(`client stopped during SIGTERM: the writer waited ${longestPause(at)} ms, no error`);
    expect((await client()).pid).toBe(pid);
    await checkNothingStacked();
  });

  it('a client that hangs is left alone, the pod is told, and nothing is lost', async () => {
    const { pid, startTime } = await client();
    const at = performance.now();
    const said = api.requests.length;
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await event('VolumeHangs', said)).toMatchObject({ body: { involvedObject: { name: 'writer' } } });
      expect(await health('healthz')).toBe('200 ok');
      expect(await isProcessAlive(pid, startTime)).toBe(true);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const stopped = Math.round(performance.now() - at);
    await event('VolumeAnswers', said);
    checkNoErrors(at);
    timings.push(`client stopped for ${stopped} ms: the writer waited ${longestPause(at)} ms, no error`);
    expect(await client()).toEqual({ pid, startTime });
  });

  it('a node role that finds its client hanging tells the pod, too', async () => {
    const { pid, startTime } = await client();
    const at = performance.now();
    await nodeContainer.kill();
    node.client.close();
    process.kill(pid, 'SIGSTOP');
    const said = api.requests.length;
    try {
      node = await startNode();
      await event('VolumeHangs', said);
      expect(await health('healthz')).toBe('200 ok');
      expect(await health('readyz')).toBe('200 ok');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await event('VolumeAnswers', said);
    checkNoErrors(at);
    expect(await client()).toEqual({ pid, startTime });
  });

  const replaceMounter = async (): Promise<number> => {
    const at = performance.now();
    await mounterContainer.kill();
    // As long as kubelet takes to make a container anew.
    await sleep(1_000);
    mounter = await startMounter();
    return at;
  };

  it('its end takes all clients along: what is published is healed through the next one, the writer goes on', async () => {
    const { pid } = await client();
    const said = api.requests.length;
    const took = await writesAgain(await replaceMounter());
    expect(await event('VolumeClientEnded', said)).toMatchObject({
      method: 'POST',
      url: { pathname: '/api/v1/namespaces/team/events' },
      body: { type: 'Warning', involvedObject: { kind: 'Pod', name: 'writer', uid: 'writer-uid' } },
    });
    expect(await event('VolumeHealed', said)).toMatchObject({ body: { type: 'Normal' } });
    timings.push(`mounter killed and back after 1 s: the writer writes again ${took} ms after the kill`);
    expect(took).toBeLessThan(HEALED_WITHIN_MS);
    expect(writer.isRunning).toBe(true);
    expect((await client()).pid).not.toBe(pid);
    await checkInMounter();
    await checkNothingStacked();
  });

  it('both end: the node role heals when it comes back, in a cgroup namespace of its own too', async () => {
    await nodeContainer.kill();
    node.client.close();
    await replaceMounter();
    const at = performance.now();
    node = await startNode([...nodeContainer.prefix, 'unshare', '--cgroup']);
    const took = await writesAgain(at);
    timings.push(`node role started, its clients dead: the writer writes again after ${took} ms`);
    expect(took).toBeLessThan(HEALED_WITHIN_MS);
    await checkInMounter();
    await checkNothingStacked();
  });

  it('a client that was started and not yet moved when the node role ended is taken into it', async () => {
    const { pid } = await client();
    const at = performance.now();
    await nodeContainer.kill();
    node.client.close();
    await nodeContainer.take(pid);
    expect(await clientsInside()).toEqual([]);
    node = await startNode();
    // It is moved in one hierarchy of cgroups after the other.
    await waitFor('the client to be in the mounter alone', async () =>
      (await clientsInside()).includes(pid) && !(await nodeContainer.pids()).includes(pid) ? true : undefined,
    );
    await checkInMounter();
    checkNoErrors(at);
  });

  it('the last unpublish ends the client, the mounter stays', async () => {
    const { pid, startTime } = await client();
    await writer.stop();
    await unpublish();
    await node.client.node.NodeUnstageVolume({ volume_id: HANDLE, staging_target_path: path('staging') });
    await waitFor('the end of the client', async () => ((await isProcessAlive(pid, startTime)) ? undefined : true));
    // Somebody still has to collect it.
    await waitFor('an empty mounter', async () => ((await clientsInside()).length === 0 ? true : undefined));
    expect(mounter.exitCode).toBeNull();
    const [inside] = await flockHolders(path('mounter'));
    for (const of of ['self', inside, node.pid]) expect(await glusterMounts(of)).toEqual([]);
  });
});
