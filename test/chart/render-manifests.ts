import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { template } from './helm.js';

/** Program of `npm run manifests`: the chart as plain YAML, for users without helm. */
const NAMESPACE = `# Kayal as plain YAML, rendered from charts/kayal by "npm run manifests". Before it is applied: give the installation a
# name of its own, and list the pools, in the ConfigMap below (docs/install.md). Directory pools have to be rendered into
# the pods: npm run manifests -- --values FILE
apiVersion: v1
kind: Namespace
metadata:
  name: kayal-system
  labels:
    # The node role mounts for others, and so runs privileged.
    pod-security.kubernetes.io/enforce: privileged
`;

const { values } = parseArgs({
  options: {
    values: { type: 'string', multiple: true, default: [] },
    kubernetes: { type: 'string' },
    output: { type: 'string', default: 'dist/kayal.yaml' },
  },
});
const { code, stdout, stderr } = await template({
  values: values.values.map((file) => resolve(file)),
  ...(values.values.length === 0 ? { set: ['installation=CHANGE-ME'] } : {}),
  ...(values.kubernetes === undefined ? {} : { kubernetes: values.kubernetes }),
});
if (code === 0) {
  await mkdir(dirname(values.output), { recursive: true });
  await writeFile(values.output, `${NAMESPACE}${stdout.startsWith('---') ? '' : '---\n'}${stdout}`);
  process.stdout.write(`${values.output}\n`);
} else {
  process.stderr.write(stderr);
  process.exitCode = 1;
}
