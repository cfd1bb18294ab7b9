import { beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { BUILD_TIMEOUT_MS, ensureHelm, ofKind, render, template, type KubernetesObject } from './helm.js';
import { componentOf, container, workload, workloadsOf, type Component } from './pods.js';

beforeAll(ensureHelm, BUILD_TIMEOUT_MS);

describe('what the values change', () => {
  const sidecars = (objects: readonly KubernetesObject[], kind: 'Deployment' | 'DaemonSet'): readonly string[] =>
    workload(objects, kind).spec.template.spec.containers.map(
      ({ name, image }) => `${name} ${image.split(':').at(-1)}`,
    );

  it('the node needs one container; the standard sidecars are a choice', async () => {
    const own = await render({ values: ['gluster-values.yaml'] });
    expect(sidecars(own, 'DaemonSet')).toEqual([`kayal ${packageJson.version}`]);
    expect(container(workload(own, 'DaemonSet'), 'kayal')?.args).toContain('--register=yes');
    const all = await render({ values: ['everything-values.yaml'], set: ['image.digest=', 'image.tag=t'] });
    expect(sidecars(all, 'DaemonSet')).toEqual(['kayal t', 'node-driver-registrar v2.17.0', 'liveness-probe v2.19.0']);
    expect(container(workload(all, 'DaemonSet'), 'kayal')?.args).toContain('--register=no');
    expect(sidecars(all, 'Deployment')).toEqual([
      'kayal t',
      'csi-provisioner v6.4.0',
      'csi-resizer v2.3.0',
      'csi-snapshotter v8.7.0',
      'csi-attacher v4.13.0',
      'liveness-probe v2.19.0',
    ]);
  });

  it('attach is one switch: the object, the sidecar, what it may do, and the flag of both roles', async () => {
    const attachOf = async (...set: string[]): Promise<unknown> => {
      const objects = await render({ values: ['gluster-values.yaml'], set });
      const [driver] = ofKind(objects, 'CSIDriver');
      const rules = ofKind(objects, 'ClusterRole').flatMap(({ rules: all }) => all as { resources: string[] }[]);
      const args = (['Deployment', 'DaemonSet'] as const).map((kind) =>
        (container(workload(objects, kind), 'kayal')?.args ?? []).filter((arg) => /attach|max-volumes/.test(arg)),
      );
      return {
        required: (driver?.['spec'] as { attachRequired: boolean } | undefined)?.attachRequired,
        sidecar: sidecars(objects, 'Deployment').includes('csi-attacher v4.13.0'),
        resources: rules.flatMap(({ resources }) => resources).filter((name) => name.startsWith('volumeattachments')),
        args,
      };
    };
    const without = ['--attach=no'];
    expect(await attachOf()).toEqual({ required: false, sidecar: false, resources: [], args: [without, without] });
    const both = ['--attach=yes', '--max-volumes-per-node=30'];
    expect(await attachOf('attach.enabled=true', 'attach.maxVolumesPerNode=30')).toEqual({
      required: true,
      sidecar: true,
      resources: ['volumeattachments', 'volumeattachments/status'],
      args: [both, both],
    });
  });

  it('a node that holds FUSE clients is upgraded by hand, one that has a mounter or only directories in a row', async () => {
    const strategy = async (file: string, ...set: string[]): Promise<string | undefined> =>
      workload(await render({ values: [file], set }), 'DaemonSet').spec.updateStrategy?.type;
    const without = 'mounter.enabled=false';
    expect(await strategy('gluster-values.yaml')).toBe('RollingUpdate');
    expect(await strategy('gluster-values.yaml', without)).toBe('OnDelete');
    expect(await strategy('gluster-values.yaml', without, 'node.updateStrategy=RollingUpdate')).toBe('RollingUpdate');
    expect(await strategy('plain-values.yaml')).toBe('RollingUpdate');
  });

  it('the mounter is beside the node role, which finds it by its lock, and is not upgraded by itself', async () => {
    const set = ['node.nodeSelector.disk=fast', 'node.affinity.nodeAffinity.x=y', 'image.tag=t'];
    const objects = await render({ values: ['gluster-values.yaml'], set });
    const mounter = workload(objects, 'DaemonSet', 'mounter');
    const node = workload(objects, 'DaemonSet');
    expect(mounter.spec.updateStrategy?.type).toBe('OnDelete');
    const placeOf = ({ spec }: typeof node): unknown => {
      const { nodeSelector, affinity, tolerations, priorityClassName, hostNetwork, hostPID } = spec.template.spec;
      return { nodeSelector, affinity, tolerations, priorityClassName, hostNetwork, hostPID };
    };
    expect(placeOf(mounter)).toEqual(placeOf(node));
    const role = container(node, 'kayal');
    const lock = role?.args.find((arg) => arg.startsWith('--mounter='))?.slice('--mounter='.length);
    expect(mounter.spec.template.spec.volumes).toContainEqual({
      name: 'lock',
      hostPath: { path: lock, type: 'DirectoryOrCreate' },
    });
    const inside = container(mounter, 'mounter');
    expect(inside?.args).toContain(inside?.volumeMounts.find(({ name }) => name === 'lock')?.mountPath);
    const plugins = role?.volumeMounts.find(({ name }) => name === 'plugins');
    expect(plugins?.mountPropagation).toBe('Bidirectional');
    expect(inside?.volumeMounts).toContainEqual(plugins);
    expect(inside?.image).toBe(role?.image);
  });

  it('there is no mounter where nothing is mounted by a client, or when it is switched off', async () => {
    const roles = async (file: string, ...set: string[]): Promise<unknown> => {
      const objects = await render({ values: [file], set });
      const args = container(workload(objects, 'DaemonSet'), 'kayal')?.args ?? [];
      return [new Set(workloadsOf(objects).map(componentOf)), args.some((arg) => arg.startsWith('--mounter'))];
    };
    expect(await roles('gluster-values.yaml')).toEqual([new Set(['controller', 'mounter', 'node']), true]);
    expect(await roles('plain-values.yaml')).toEqual([new Set(['controller', 'node']), false]);
    expect(await roles('gluster-values.yaml', 'mounter.enabled=false')).toEqual([
      new Set(['controller', 'node']),
      false,
    ]);
  });

  it('the controller is privileged for FUSE only', async () => {
    const context = async (file: string): Promise<unknown> =>
      container(workload(await render({ values: [file] }), 'Deployment'), 'kayal')?.securityContext;
    expect(await context('gluster-values.yaml')).toMatchObject({ privileged: true });
    expect(await context('plain-values.yaml')).toMatchObject({
      privileged: false,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
  });

  it("the controller runs where a node's directory is, and two such nodes are refused", async () => {
    const { affinity } = workload(await render({ values: ['single-node-values.yaml'] }), 'Deployment').spec.template
      .spec;
    expect(JSON.stringify(affinity)).toContain('"values":["node-1"]');
    const set = ['pools[1].name=b', 'pools[1].type=directory', 'pools[1].path=/b', 'pools[1].node=node-2'];
    const { code, stderr } = await template({ values: ['single-node-values.yaml'], set });
    expect([code, stderr]).toEqual([1, expect.stringContaining('directories of several nodes (node-1, node-2)')]);
  });

  it("follows kubelet's directory", async () => {
    const kubelet = '/var/lib/k0s/kubelet';
    const node = workload(
      await render({ values: ['gluster-values.yaml'], set: [`kubeletDir=${kubelet}`] }),
      'DaemonSet',
    );
    const role = container(node, 'kayal');
    expect(role?.args).toContain(`--kubelet-dir=${kubelet}`);
    expect(role?.volumeMounts).toEqual(
      expect.arrayContaining([
        { name: 'plugins', mountPath: `${kubelet}/plugins`, mountPropagation: 'Bidirectional' },
        { name: 'pods', mountPath: `${kubelet}/pods`, mountPropagation: 'Bidirectional' },
        { name: 'registry', mountPath: `${kubelet}/plugins_registry` },
      ]),
    );
  });

  it('nodes with another kubelet directory get DaemonSets of their own, and no other ones', async () => {
    const other = { name: 'k0s', kubeletDir: '/var/lib/k0s/kubelet', nodeSelector: { kubelet: 'k0s' } };
    const term = { matchExpressions: [{ key: 'disk', operator: 'Exists' }] };
    const required = 'requiredDuringSchedulingIgnoredDuringExecution';
    const affinity = { nodeAffinity: { [required]: { nodeSelectorTerms: [term] } } };
    const json = { otherKubeletDirs: [other], 'node.affinity': affinity, 'node.nodeSelector': { arch: 'any' } };
    const objects = await render({ values: ['gluster-values.yaml'], json });
    const place = (name: string): unknown => {
      const found = workloadsOf(objects).find(({ metadata }) => metadata.name === name);
      const { nodeSelector, affinity: where } = found?.spec.template.spec ?? {};
      return { nodeSelector, where };
    };
    const os = { 'kubernetes.io/os': 'linux', arch: 'any' };
    const notIn = { key: 'kubelet', operator: 'NotIn', values: ['k0s'] };
    const terms = [{ matchExpressions: [...term.matchExpressions, notIn] }];
    for (const role of ['node', 'mounter']) {
      expect(place(`kayal-${role}`)).toEqual({
        nodeSelector: os,
        where: { nodeAffinity: { [required]: { nodeSelectorTerms: terms } } },
      });
      expect(place(`kayal-${role}-k0s`)).toEqual({ nodeSelector: { ...os, kubelet: 'k0s' }, where: affinity });
    }
    const [mine, others] = workloadsOf(objects).filter((one) => componentOf(one) === 'node');
    expect(JSON.stringify(mine)).not.toContain('k0s/kubelet');
    expect(JSON.stringify(others)).not.toContain('/var/lib/kubelet');
    const twice = await template({ values: ['everything-values.yaml'], set: ['otherKubeletDirs[1].name=k0s'] });
    expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining('two have the same name (k0s, k0s)')]);
  });

  it('inline volumes are for pools that allow them, and can be forbidden for all', async () => {
    const driver = async (file: string): Promise<unknown> => ofKind(await render({ values: [file] }), 'CSIDriver')[0];
    const label = 'security.kubernetes.io/csi-ephemeral-volume-profile';
    const open = await driver('plain-values.yaml');
    expect(open).toMatchObject({
      metadata: { labels: { [label]: 'baseline' } },
      spec: { podInfoOnMount: true, volumeLifecycleModes: ['Persistent', 'Ephemeral'] },
    });
    const closed = await driver('everything-values.yaml');
    expect(closed).toMatchObject({ spec: { volumeLifecycleModes: ['Persistent'] } });
    expect(JSON.stringify(closed)).not.toContain(label);
    const set = ['csiDriver.inlineVolumes.enabled=false'];
    const { code, stderr } = await template({ values: ['plain-values.yaml'], set });
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('nfs has inlineVolumes, which csiDriver.inlineVolumes'),
    ]);
  });

  it('csi-snapshotter runs where it is asked for; else nobody looks for snapshots', async () => {
    const deployment = workload(await render({ values: ['gluster-values.yaml'] }), 'Deployment');
    expect(container(deployment, 'csi-snapshotter')).toBeUndefined();
    expect(container(deployment, 'csi-provisioner')?.args).toContain('--snapshot-orphan-sweep-interval=0');
    const asked = await render({ values: ['gluster-values.yaml'], set: ['snapshotter.enabled=true'] });
    expect(container(workload(asked, 'Deployment'), 'csi-snapshotter')).toBeDefined();
    expect(container(workload(asked, 'Deployment'), 'csi-provisioner')?.args).not.toContain(
      '--snapshot-orphan-sweep-interval=0',
    );
  });

  it('csi-provisioner asks for nodes where a pool is of one of them, and the controller runs there', async () => {
    const shared = workload(await render({ values: ['plain-values.yaml'] }), 'Deployment');
    expect(container(shared, 'csi-provisioner')?.args).toContain('--feature-gates=Topology=false');
    const objects = await render({ values: ['single-node-values.yaml'] });
    const deployment = workload(objects, 'Deployment');
    const args = container(deployment, 'csi-provisioner')?.args ?? [];
    for (const flag of [
      '--feature-gates=Topology=true',
      '--strict-topology',
      '--immediate-topology=false',
      '--enable-capacity',
      '--capacity-ownerref-level=2',
    ]) {
      expect(args).toContain(flag);
    }
    expect(args.filter((flag) => flag.startsWith('--feature-gates='))).toHaveLength(1);
    const [driver] = ofKind(objects, 'CSIDriver');
    expect(driver?.['spec']).toMatchObject({ storageCapacity: true });
    const rules = JSON.stringify(ofKind(objects, 'ClusterRole'));
    for (const resource of ['nodes', 'csinodes']) {
      expect(rules).toContain(JSON.stringify({ resources: [resource], verbs: ['get', 'list', 'watch'] }).slice(1, -1));
    }
    const own = await render({ values: ['single-node-values.yaml'], set: ['pools[0].node=other'] });
    expect(JSON.stringify(workload(own, 'Deployment').spec.template.spec.affinity)).toContain('"other"');
  });

  it('hostPID can be switched off, without a mounter', async () => {
    const values = ['gluster-values.yaml'];
    const hostPid = async (...set: string[]): Promise<boolean> =>
      workload(await render({ values, set }), 'DaemonSet').spec.template.spec.hostPID;
    expect([await hostPid(), await hostPid('node.hostPID=false', 'mounter.enabled=false')]).toEqual([true, false]);
    const { code, stderr } = await template({ values, set: ['node.hostPID=false'] });
    expect([code, stderr]).toEqual([1, expect.stringContaining('node.hostPID: false needs mounter.enabled: false')]);
  });

  it('the node role may make events and nothing else, the mounter nothing; without events neither has a token', async () => {
    const rights = async (...set: string[]): Promise<unknown> => {
      const objects = await render({ values: ['gluster-values.yaml'], set });
      const tokenOf = (component: Component): unknown =>
        workload(objects, 'DaemonSet', component).spec.template.spec.automountServiceAccountToken;
      const { serviceAccountName } = workload(objects, 'DaemonSet').spec.template.spec;
      const bindings = [...ofKind(objects, 'ClusterRoleBinding'), ...ofKind(objects, 'RoleBinding')];
      const own = bindings.filter((binding) => JSON.stringify(binding['subjects']).includes(serviceAccountName));
      const names = own.map(({ metadata }) => metadata.name);
      const roles = ofKind(objects, 'ClusterRole').filter(({ metadata }) => names.includes(metadata.name));
      return { node: tokenOf('node'), mounter: tokenOf('mounter'), rules: roles.flatMap((role) => role['rules']) };
    };
    const events = { apiGroups: [''], resources: ['events'], verbs: ['create'] };
    expect(await rights()).toEqual({ node: true, mounter: false, rules: [events] });
    expect(await rights('node.events=false')).toEqual({ node: false, mounter: false, rules: [] });
  });

  it('static volumes are for the provisioner and those whom values name', async () => {
    const [policy] = ofKind(await render({ values: ['everything-values.yaml'] }), 'ValidatingAdmissionPolicy');
    expect(policy?.['spec']).toMatchObject({
      failurePolicy: 'Fail',
      variables: [
        { expression: '["system:serviceaccount:kayal-system:kayal-writer","alice@example.com"]' },
        { expression: '["system:masters","storage-admins"]' },
      ],
    });
    const [byDefault] = ofKind(await render({ values: ['gluster-values.yaml'] }), 'ValidatingAdmissionPolicy');
    expect(JSON.stringify(byDefault)).toContain('system:serviceaccount:kayal-system:kayal-controller');
  });
});
