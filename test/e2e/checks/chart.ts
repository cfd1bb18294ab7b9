import { join } from 'node:path';
import { readdir, readFile } from 'node:fs/promises';
import { CHART, valuesFiles } from '../../chart/helm.js';
import { helm, NAMESPACE, parseManifests } from '../cluster/install.js';
import type { Check, CheckContext } from '../lib/check.js';
import type { Manifest } from '../lib/kubectl.js';
import { renderManifests } from './reinstall.js';

/** Only the Prometheus operator has it; nothing more than its name is checked then. */
const SERVICE_MONITOR: Manifest = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'servicemonitors.monitoring.coreos.com' },
  spec: {
    group: 'monitoring.coreos.com',
    scope: 'Namespaced',
    names: {
      kind: 'ServiceMonitor',
      listKind: 'ServiceMonitorList',
      plural: 'servicemonitors',
      singular: 'servicemonitor',
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

/** As if they were new: parts of some of the installed objects cannot be changed. The name of a definition says what it defines. */
function renamed(object: Manifest): Manifest {
  if (object.kind === 'CustomResourceDefinition') return object;
  return { ...object, metadata: { ...object.metadata, name: `${object.metadata.name}-ci` } };
}

async function validate({ cluster }: CheckContext, manifests: readonly Manifest[]): Promise<void> {
  const items = manifests.map(renamed);
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const flags = ['--server-side', '--dry-run=server', '--validate=strict', '--filename=-'];
  await cluster.kubectl.in(NAMESPACE).do(['apply', ...flags], { input });
}

const values: Check = {
  name: 'the API server accepts the chart with each of its ci values (server-side validation)',
  isQuick: true,
  run: async (context) => {
    const { cluster } = context;
    await cluster.kubectl.apply(SERVICE_MONITOR);
    await cluster.kubectl.wait(`crd/${SERVICE_MONITOR.metadata.name}`, 'condition=Established');
    for (const file of await valuesFiles()) {
      const options = [`--namespace=${NAMESPACE}`, `--values=${join(CHART, 'ci', file)}`];
      const text = await helm(cluster, 'template', 'ci', CHART, ...options, '--kube-version', cluster.tools.kubernetes);
      await validate(context, parseManifests(text)).catch((error: unknown) => {
        throw new Error(file, { cause: error });
      });
    }
  },
};

const plainYaml: Check = {
  name: 'the API server accepts dist/kayal.yaml of npm run manifests',
  run: async (context) => {
    const output = await renderManifests(context.cluster);
    await validate(context, parseManifests(await readFile(output, 'utf8')));
  },
};

const examples: Check = {
  name: 'the API server accepts all of examples/',
  run: async (context) => {
    // The others are configuration files, which a test of the source reads.
    const names = (await readdir('examples')).filter((name) => !name.startsWith('config-'));
    for (const name of names) {
      await validate(context, parseManifests(await readFile(join('examples', name), 'utf8'))).catch(
        (error: unknown) => {
          throw new Error(name, { cause: error });
        },
      );
    }
  },
};

export const chartChecks: readonly Check[] = [values, plainYaml, examples];
