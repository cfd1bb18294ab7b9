import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { poolSchemas } from '../../src/pools/config-schema.js';
import { BUILD_TIMEOUT_MS, CHART, ensureHelm, notes, ofKind, render, template } from './helm.js';
import { container, workload } from './pods.js';

beforeAll(ensureHelm, BUILD_TIMEOUT_MS);

describe('what helm install says', () => {
  it('a claim to start with, and how nodes with FUSE clients are upgraded', async () => {
    const text = await notes({ values: ['gluster-values.yaml'] });
    expect(text).toContain('component=mounter');
    const without = await notes({ values: ['gluster-values.yaml'], set: ['mounter.enabled=false'] });
    expect(without).toContain('component=node');
    expect(without).not.toContain('mounter');
    const claim: unknown = parse(/<<EOF\n([^]*?)\nEOF/.exec(text)?.[1] ?? '');
    expect(claim).toMatchObject({ kind: 'PersistentVolumeClaim', spec: { storageClassName: 'kayal' } });
    expect(text).toContain('kubectl drain NODE');
  });

  it('what a pod writes for an inline volume', async () => {
    const text = await notes({ values: ['plain-values.yaml'] });
    expect(text).toContain('inline volumes of up to 1Gi in pool nfs');
    const [, example = ''] = /^ +csi: (\{.*\})$/m.exec(text) ?? [];
    expect(parse(example)).toEqual({ driver: 'csi.kayal.storage', volumeAttributes: { pool: 'nfs', size: '64Mi' } });
    expect(await notes({ values: ['gluster-values.yaml'] })).not.toContain('inline');
  });

  it('what is missing', async () => {
    const text = await notes({ values: ['minimal-values.yaml'] });
    expect(text).toContain('There is no pool yet');
    expect(text).toContain('There is no StorageClass yet');
    expect(text).not.toContain('kubectl drain NODE');
  });
});

describe('an older Kubernetes', () => {
  it('gets no objects that it lacks, and sidecars that do not look for them', async () => {
    const objects = await render({ values: ['everything-values.yaml'], kubernetes: '1.28.0' });
    const kinds = new Set(objects.map(({ kind }) => kind));
    expect([...kinds].filter((kind) => kind.startsWith('Validating') || kind === 'VolumeAttributesClass')).toEqual([]);
    const deployment = workload(objects, 'Deployment');
    expect(container(deployment, 'csi-provisioner')?.args).toContain(
      '--feature-gates=Topology=false,VolumeAttributesClass=false',
    );
    expect(container(deployment, 'csi-resizer')?.args).toContain('--feature-gates=VolumeAttributesClass=false');
    expect(JSON.stringify(ofKind(objects, 'ClusterRole'))).not.toContain('volumeattributesclasses');
  });

  it('is refused when it is too old', async () => {
    const { code, stderr } = await template({ values: ['minimal-values.yaml'], kubernetes: '1.25.0' });
    expect([code, stderr]).toEqual([1, expect.stringContaining('kubeVersion: >=1.26.0-0')]);
  });
});

describe('wrong values', () => {
  it.each([
    [['installation=-x'], "at '/installation'"],
    [['node.colour=red'], "additional properties 'colour' not allowed"],
    [['pools[0].name=a', 'pools[0].type=managed'], "value must be one of 'gluster', 'directory'"],
    [['pools[0].name=a', 'pools[0].type=gluster'], "missing properties 'hosts', 'volume'"],
    [['pools[0].name=a', 'pools[0].type=directory', 'pools[0].path=relative'], "at '/pools/0/path'"],
    [
      ['pools[0].name=a', 'pools[0].type=directory', 'pools[0].path=/a', 'pools[0].inlineVolumes.maxPerNode=3'],
      "at '/pools/0/inlineVolumes': missing property 'maxSize'",
    ],
    [['logLevel=loud'], "at '/logLevel'"],
    [['node.updateStrategy=Never'], "at '/node/updateStrategy'"],
    [['kubeletDir=/var/lib/kubelet/'], "at '/kubeletDir'"],
    [['volumeSnapshotClasses[0].name=a'], 'need the snapshot CRDs'],
    [['installation='], "installation: give this cluster's installation of Kayal a name of its own"],
  ])('%j are refused', async (set, message) => {
    const { code, stderr } = await template({ values: ['minimal-values.yaml'], set });
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
  });

  it('the schema knows every key of the pools that the chart can serve', async () => {
    const schema = v.parse(
      v.object({
        properties: v.looseObject({ pools: v.object({ items: v.looseObject({ properties: v.looseObject({}) }) }) }),
      }),
      JSON.parse(await readFile(join(CHART, 'values.schema.json'), 'utf8')),
    );
    const known = Object.keys(schema.properties.pools.items.properties);
    const served = [poolSchemas.gluster, poolSchemas.directory].flatMap(({ entries }) => Object.keys(entries));
    expect(new Set(known)).toEqual(new Set(served));
  });
});
