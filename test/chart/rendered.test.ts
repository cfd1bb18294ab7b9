import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { parseCommandLine } from '../../src/cli/flags.js';
import { parseConfig } from '../../src/pools/config.js';
import {
  BUILD_TIMEOUT_MS,
  CHART,
  ensureHelm,
  lint,
  ofKind,
  render,
  valuesFiles,
  type KubernetesObject,
} from './helm.js';
import { componentOf, container, workloadsOf } from './pods.js';

beforeAll(ensureHelm, BUILD_TIMEOUT_MS);

const rulesSchema = v.object({
  rules: v.array(
    v.object({ apiGroups: v.array(v.string()), resources: v.array(v.string()), verbs: v.array(v.string()) }),
  ),
});

describe.each(await valuesFiles())('%s', (file) => {
  let objects: readonly KubernetesObject[];

  beforeAll(async () => {
    objects = await render({ values: [file] });
  });

  it('passes helm lint', async () => {
    expect(await lint({ values: [file] })).toMatchObject({ code: 0 });
  });

  it('names every object once', () => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(names.length).toBe(new Set(names).size);
  });

  it('gives the roles flags and a configuration that they understand', () => {
    const [map] = ofKind(objects, 'ConfigMap');
    const { data } = v.parse(v.looseObject({ data: v.object({ 'config.yaml': v.string() }) }), map);
    expect(parseConfig(data['config.yaml'], 'config.yaml').installation).toBe('ci');
    for (const one of workloadsOf(objects)) {
      if (componentOf(one) === 'mounter') continue;
      const command = parseCommandLine(container(one, 'kayal')?.args ?? [], { KAYAL_NODE_ID: 'node-1' });
      expect(command.kind).toBe(componentOf(one));
    }
  });

  it('selects the pods of each workload, and only them', () => {
    const all = workloadsOf(objects);
    for (const one of all) {
      const matches = all.filter(({ spec }) =>
        Object.entries(one.spec.selector.matchLabels).every(
          ([key, value]) => spec.template.metadata.labels[key] === value,
        ),
      );
      expect(matches).toEqual([one]);
    }
  });

  it('keeps every container as tight as its role allows', () => {
    for (const one of workloadsOf(objects)) {
      for (const { name, securityContext, resources } of one.spec.template.spec.containers) {
        expect({ name, isReadOnly: securityContext.readOnlyRootFilesystem }).toEqual({ name, isReadOnly: true });
        expect([name, ...Object.keys(resources.requests).sort()]).toEqual([name, 'cpu', 'memory']);
        if (name === 'kayal' || name === 'mounter') continue;
        expect({ name, securityContext }).toMatchObject({
          name,
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            ...(one.kind === 'Deployment' ? { runAsNonRoot: true } : {}),
          },
        });
      }
    }
  });

  it('mounts only volumes that are there, and has none that nobody mounts', () => {
    for (const { spec } of workloadsOf(objects)) {
      const { containers, volumes } = spec.template.spec;
      const mounted = new Set(containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name)));
      expect(new Set(volumes.map(({ name }) => name))).toEqual(mounted);
    }
  });

  it('asks for no wildcards, and for secrets only for the operator, in its namespace', () => {
    for (const object of [...ofKind(objects, 'ClusterRole'), ...ofKind(objects, 'Role')]) {
      for (const { apiGroups, resources, verbs } of v.parse(rulesSchema, object).rules) {
        expect([...apiGroups, ...resources, ...verbs]).not.toContain('*');
        if (object.kind !== 'Role' || object.metadata.name !== 'kayal-operator')
          expect(resources).not.toContain('secrets');
      }
    }
  });
});

describe('versions', () => {
  it('chart, application and image are those of package.json', async () => {
    const chart = v.parse(
      v.looseObject({ version: v.string(), appVersion: v.string() }),
      parse(await readFile(join(CHART, 'Chart.yaml'), 'utf8')),
    );
    expect([chart.version, chart.appVersion]).toEqual([packageJson.version, packageJson.version]);
    const objects = await render({ values: ['minimal-values.yaml'] });
    for (const one of workloadsOf(objects)) {
      expect(container(one, 'kayal')?.image).toBe(`ghcr.io/kayal-storage/kayal:${packageJson.version}`);
    }
  });
});
