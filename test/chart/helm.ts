import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { parseAllDocuments } from 'yaml';
import { mustRun, runCommand, type CommandResult } from '../lib/run-command.js';

const VERSION = 'v4.3.1';
const MODULE = 'helm.sh/helm/v4/cmd/helm';
/** A cold build takes minutes. */
export const BUILD_TIMEOUT_MS = 15 * 60_000;
export const CHART: string = fileURLToPath(new URL('../../charts/kayal', import.meta.url));
/** What `helm template` shall take the cluster for; the newest that the tests know. */
const KUBERNETES = '1.36.0';

/** @returns the program's path; built when this version is not in the cache (KAYAL_TEST_CACHE) yet, which takes minutes */
export async function ensureHelm(): Promise<string> {
  const bin = join(process.env['KAYAL_TEST_CACHE'] ?? join(homedir(), '.cache', 'kayal-test'), `helm-${VERSION}`);
  const program = join(bin, 'helm');
  if (existsSync(program)) return program;
  process.stdout.write(`building helm ${VERSION} into ${bin}\n`);
  await mkdir(bin, { recursive: true });
  await mustRun('go', ['install', `${MODULE}@${VERSION}`], {
    env: { ...process.env, GOBIN: bin, GOFLAGS: '-p=1', CGO_ENABLED: '0' },
    timeoutMs: BUILD_TIMEOUT_MS,
  });
  return program;
}

/** The values files of charts/kayal/ci. */
export async function valuesFiles(): Promise<readonly string[]> {
  const names = await readdir(join(CHART, 'ci'));
  return names.filter((name) => name.endsWith('-values.yaml')).sort();
}

export interface TemplateOptions {
  /** Names in charts/kayal/ci, or absolute paths. */
  readonly values?: readonly string[];
  /** `key=value`, as --set takes them. */
  readonly set?: readonly string[];
  /** Values by their path. */
  readonly json?: Readonly<Record<string, unknown>>;
  readonly kubernetes?: string;
}

function argumentsOf({ values = [], set = [], json = {} }: TemplateOptions): readonly string[] {
  return [
    ...values.map((file) => `--values=${file.startsWith('/') ? file : join(CHART, 'ci', file)}`),
    ...set.map((assignment) => `--set=${assignment}`),
    ...Object.entries(json).map(([path, value]) => `--set-json=${path}=${JSON.stringify(value)}`),
  ];
}

/** Neither plugins nor a cluster of the machine's user take part. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, HELM_NO_PLUGINS: '1', KUBECONFIG: '/dev/null' };
}

export async function lint(options: TemplateOptions): Promise<CommandResult> {
  return runCommand(await ensureHelm(), ['lint', '--strict', CHART, ...argumentsOf(options)], { env: environment() });
}

/** @returns what `helm template` says, also when it fails */
export async function template(options: TemplateOptions): Promise<CommandResult> {
  return runCommand(
    await ensureHelm(),
    [
      'template',
      'kayal',
      CHART,
      '--namespace=kayal-system',
      `--kube-version=${options.kubernetes ?? KUBERNETES}`,
      ...argumentsOf(options),
    ],
    { env: environment() },
  );
}

/** What `helm install` prints at its end. */
export async function notes(options: TemplateOptions): Promise<string> {
  const program = await ensureHelm();
  const args = ['install', 'kayal', CHART, '--namespace=kayal-system', '--dry-run=client', ...argumentsOf(options)];
  const text = await mustRun(program, args, { env: environment() });
  return text.slice(text.indexOf('NOTES:'));
}

const objectSchema = v.looseObject({
  apiVersion: v.string(),
  kind: v.string(),
  metadata: v.looseObject({ name: v.string() }),
});
export type KubernetesObject = v.InferOutput<typeof objectSchema>;

/** @throws Error with helm's output, or for YAML with a key twice */
export async function render(options: TemplateOptions): Promise<readonly KubernetesObject[]> {
  const { code, stdout, stderr } = await template(options);
  if (code !== 0) throw new Error(`helm template ${argumentsOf(options).join(' ')}: ${stderr}`);
  return parseAllDocuments(stdout).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    const value: unknown = document.toJS();
    return value === null ? [] : [v.parse(objectSchema, value)];
  });
}

export function ofKind(objects: readonly KubernetesObject[], kind: string): readonly KubernetesObject[] {
  return objects.filter((object) => object.kind === kind);
}
