import { beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { BUILD_TIMEOUT_MS, ensureHelm, ofKind, render, template, type KubernetesObject } from './helm.js';
import { container, workload } from './pods.js';

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

  it('a node that holds FUSE clients is upgraded by hand, one of directories in a row', async () => {
    const strategy = async (file: string, ...set: string[]): Promise<string | undefined> =>
      workload(await render({ values: [file], set }), 'DaemonSet').spec.updateStrategy?.type;
    expect(await strategy('gluster-values.yaml')).toBe('OnDelete');
    expect(await strategy('gluster-values.yaml', 'node.updateStrategy=RollingUpdate')).toBe('RollingUpdate');
    expect(await strategy('plain-values.yaml')).toBe('RollingUpdate');
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

  it('hostPID can be switched off', async () => {
    const hostPid = async (...set: string[]): Promise<boolean> =>
      workload(await render({ values: ['gluster-values.yaml'], set }), 'DaemonSet').spec.template.spec.hostPID;
    expect([await hostPid(), await hostPid('node.hostPID=false')]).toEqual([true, false]);
  });

  it('the node role has no token and no role', async () => {
    const objects = await render({ values: ['gluster-values.yaml'] });
    const { serviceAccountName, automountServiceAccountToken } = workload(objects, 'DaemonSet').spec.template.spec;
    expect(automountServiceAccountToken).toBe(false);
    const bindings = [...ofKind(objects, 'ClusterRoleBinding'), ...ofKind(objects, 'RoleBinding')];
    expect(JSON.stringify(bindings)).not.toContain(serviceAccountName);
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
