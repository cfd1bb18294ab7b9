import { beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT_MS, ensureHelm, render, template } from './helm.js';
import { componentOf, workloadsOf } from './pods.js';

beforeAll(ensureHelm, BUILD_TIMEOUT_MS);

describe('certificates of pools', () => {
  it('are mounted read-only, for root alone, wherever clients run and the roles that look after them', async () => {
    const workloads = workloadsOf(await render({ values: ['tls-values.yaml'] }));
    expect(new Set(workloads.map(componentOf))).toEqual(new Set(['controller', 'mounter', 'node']));
    for (const { spec } of workloads) {
      const { containers, volumes } = spec.template.spec;
      const mounts = containers.flatMap(({ volumeMounts }) => volumeMounts);
      expect(mounts.filter(({ name }) => name.startsWith('tls-'))).toEqual([
        { name: 'tls-0', mountPath: '/etc/kayal-tls/gluster-client', readOnly: true },
        { name: 'tls-management', mountPath: '/etc/ssl', readOnly: true },
      ]);
      expect(volumes.filter(({ name }) => name.startsWith('tls-'))).toMatchObject([
        { secret: { secretName: 'gluster-client', defaultMode: 0o400 } },
        { secret: { secretName: 'glusterd-client', defaultMode: 0o400 } },
      ]);
    }
  });

  it('a pool whose glusterd talks TLS needs the Secret for it', async () => {
    const { code, stderr } = await template({ values: ['tls-values.yaml'], set: ['tls.management='] });
    expect(code).not.toBe(0);
    expect(stderr).toContain('pools: all has tls.management: name the Secret with its certificate');
  });
});
