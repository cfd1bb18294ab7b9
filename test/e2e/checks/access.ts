import * as v from 'valibot';
import { waitFor } from '../../lib/wait.js';
import { expectEqual, expectIncludes, expectThat, NotYet, type Check } from '../lib/check.js';
import { claim, claimSpec, pod } from '../lib/objects.js';

const podSchema = v.looseObject({ status: v.looseObject({ phase: v.string() }) });

const readWriteOncePod: Check = {
  name: 'ReadWriteOncePod: a second pod waits until the first one is gone',
  run: async ({ kubectl }) => {
    const [first, second] = ['first', 'second'].map((name) => pod({ name, claim: 'data' }));
    await kubectl.apply(claim({ name: 'data', mode: 'ReadWriteOncePod' }));
    if (first === undefined || second === undefined) return;
    await kubectl.apply(first);
    await kubectl.wait('pod/first', 'condition=Ready');
    await kubectl.apply(second);
    const events = await waitFor(
      'the event of the second pod',
      async () => {
        const all = await kubectl.events();
        const own = all.filter(({ involvedObject }) => involvedObject.name === 'second');
        return own.length > 0 ? own : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 1_000 },
    );
    expectIncludes(events.map(({ message }) => message).join('\n'), 'ReadWriteOncePod', 'the event');
    expectEqual((await kubectl.get(podSchema, 'pod/second')).status.phase, 'Pending', 'the second pod');
    await kubectl.delete('pod/first');
    await kubectl.wait('pod/second', 'condition=Ready');
  },
};

const readOnly: Check = {
  name: 'a read-only volume can be read and not written',
  run: async ({ kubectl }) => {
    await kubectl.apply(claim({ name: 'data' }), pod({ name: 'writer', claim: 'data' }));
    await kubectl.wait('pod/writer', 'condition=Ready');
    await kubectl.mustSh('writer', 'echo hello > /data/file');
    await kubectl.apply(pod({ name: 'reader', claim: 'data', readOnly: true }));
    await kubectl.wait('pod/reader', 'condition=Ready');
    expectEqual(await kubectl.mustSh('reader', 'cat /data/file'), 'hello', 'what the reader reads');
    const { code, stderr } = await kubectl.sh('reader', 'echo more >> /data/file');
    expectThat(code !== 0, 'the reader could write');
    expectIncludes(stderr, 'Read-only file system', 'the message');
  },
};

function notRoot(fsGroup: number | undefined): Check {
  const how = fsGroup === undefined ? 'without' : 'with';
  return {
    name: `a pod that is not root, ${how} fsGroup, writes to its volume`,
    run: async ({ kubectl }) => {
      const group = fsGroup === undefined ? {} : { fsGroup };
      // kubelet gives a volume's files to the group for single-node access modes only (CSIDriver, fsGroupPolicy).
      const mode = 'ReadWriteOnce';
      await kubectl.apply(claim({ name: 'data', mode }), pod({ name: 'user', claim: 'data', uid: 1234, ...group }));
      await kubectl.wait('pod/user', 'condition=Ready');
      await kubectl.mustSh('user', 'echo hello > /data/file');
      expectEqual(await kubectl.mustSh('user', 'stat -c %u /data/file'), '1234', "the file's owner");
      if (fsGroup === undefined) return;
      const groups = await kubectl.mustSh('user', 'stat -c %g /data /data/file');
      expectEqual(groups, `${fsGroup}\n${fsGroup}`, 'the group of the volume and of the file');
    },
  };
}

const genericEphemeral: Check = {
  name: 'a generic ephemeral volume lives and ends with its pod',
  run: async ({ kubectl }) => {
    const template = { spec: claimSpec({ mode: 'ReadWriteOnce' }) };
    await kubectl.apply(pod({ name: 'user', claim: { ephemeral: { volumeClaimTemplate: template } } }));
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.mustSh('user', 'echo hello > /data/file');
    const volume = await kubectl.do(['get', 'pvc/user-data', '--output=jsonpath={.spec.volumeName}']);
    await kubectl.delete('pod/user');
    await kubectl.wait(`pv/${volume}`, 'delete');
  },
};

const driverSchema = v.looseObject({
  spec: v.looseObject({ volumeLifecycleModes: v.optional(v.array(v.string()), []) }),
});

const inlineEphemeral: Check = {
  name: 'an inline ephemeral volume lives and ends with its pod',
  run: async ({ kubectl }) => {
    const { spec } = await kubectl.get(driverSchema, 'csidriver/csi.kayal.storage');
    expectIncludes(spec.volumeLifecycleModes.join(), 'Ephemeral', 'volumeLifecycleModes');
    const volumeAttributes = { pool: 'shared', size: '32Mi' };
    await kubectl.apply(pod({ name: 'user', claim: { csi: { driver: 'csi.kayal.storage', volumeAttributes } } }));
    const answer = await waitFor(
      'the pod, or what is said of it',
      async () => {
        const { status } = await kubectl.get(podSchema, 'pod/user');
        if (status.phase === 'Running') return 'running';
        const events = await kubectl.events();
        return events.find(({ type, message }) => type === 'Warning' && message.includes('phemeral'))?.message;
      },
      { timeoutMs: 120_000, intervalMs: 1_000 },
    );
    if (answer !== 'running') throw new NotYet(answer);
    await kubectl.mustSh('user', 'echo hello > /data/file');
    const size = await kubectl.mustSh('user', "df -kP /data | awk 'NR == 2 { print $2 }'");
    expectEqual(Number(size), 32 * 1024, 'the size that df shows, in KiB');
    await kubectl.delete('pod/user');
  },
};

const block: Check = {
  name: 'a raw block volume is written and read',
  run: async ({ kubectl }) => {
    const wish = { name: 'data', mode: 'ReadWriteOnce', volumeMode: 'Block' } as const;
    await kubectl.apply(claim(wish));
    const answer = await waitFor(
      'the claim, or what is said of it',
      async () => {
        const phase = await kubectl.do(['get', 'pvc/data', '--output=jsonpath={.status.phase}']);
        if (phase === 'Bound') return 'bound';
        return (await kubectl.events()).find(({ reason }) => reason === 'ProvisioningFailed')?.message;
      },
      { timeoutMs: 120_000, intervalMs: 1_000 },
    );
    if (answer !== 'bound') throw new NotYet(answer);
    await kubectl.apply(pod({ name: 'user', claim: 'data', isBlock: true }));
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.mustSh('user', 'echo hello | dd of=/dev/data bs=512 seek=8 conv=fsync');
    const read = 'dd if=/dev/data bs=512 skip=8 count=1 2> /dev/null | head -n 1';
    expectEqual(await kubectl.mustSh('user', read), 'hello', 'what was read');
    expectEqual(await kubectl.mustSh('user', 'blockdev --getsize64 /dev/data'), String(64 * 1024 * 1024), 'its size');
  },
};

const fileSystem: Check = {
  name: 'a filesystem in a file is written, expanded while in use, and found again on another node',
  run: async ({ kubectl }) => {
    const wish = { name: 'data', mode: 'ReadWriteOnce', storageClass: 'kayal-file', size: '320Mi' } as const;
    await kubectl.apply(claim(wish), pod({ name: 'user', claim: 'data', node: 'node1' }));
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.mustSh('user', 'echo hello > /data/file');
    expectIncludes(await kubectl.mustSh('user', 'grep " /data " /proc/mounts'), ' xfs ', 'the mount');
    await kubectl.apply(claim({ ...wish, size: '448Mi' }));
    await kubectl.wait('pvc/data', 'jsonpath={.status.capacity.storage}=448Mi');
    await kubectl.mustSh('user', 'dd if=/dev/zero of=/data/big bs=1M count=330 conv=fsync');
    await kubectl.delete('pod/user');
    await kubectl.apply(pod({ name: 'user', claim: 'data', node: 'node3' }));
    await kubectl.wait('pod/user', 'condition=Ready');
    expectEqual(await kubectl.mustSh('user', 'cat /data/file'), 'hello', 'what was read');
  },
};

export const accessChecks: readonly Check[] = [
  readWriteOncePod,
  readOnly,
  notRoot(undefined),
  notRoot(4321),
  genericEphemeral,
  inlineEphemeral,
  block,
  fileSystem,
];
