import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun, runCommand } from '../../lib/run-command.js';
import { CACHE } from '../lib/cache.js';

const HERE = dirname(fileURLToPath(import.meta.url));
/** A cold build of Kubernetes takes five minutes on two idle processors. */
const BUILD_TIMEOUT_MS = 60 * 60_000;
const KUBERNETES = '1.36.3';
const VERSION = 'k8s.io/component-base/version';
const [MAJOR, MINOR] = KUBERNETES.split('.');
/** As Kubernetes' own build does; without it the API server calls itself v0.0.0. */
const FLAGS: readonly string[] = [`gitVersion=v${KUBERNETES}`, `gitMajor=${MAJOR}`, `gitMinor=${MINOR}`];

interface GoModule {
  /** Directory here, with go.mod and go.sum. */
  readonly name: 'kubernetes' | 'sidecars';
  /** Name of the program → its package. */
  readonly programs: Readonly<Record<string, string>>;
  /** Name of a program of tests → its package. */
  readonly tests?: Readonly<Record<string, string>>;
  readonly linkerFlags: readonly string[];
  /** A module of which the proxy lacks the version asked for: built from the one that go.mod names instead, with the files of missing/. */
  readonly patched?: string;
}

const SNAPSHOTTER = 'github.com/kubernetes-csi/external-snapshotter/v8';
const SNAPSHOT_CLIENT = 'github.com/kubernetes-csi/external-snapshotter/client/v8';

/** Program of a sidecar → its module, which says the version. */
const SIDECARS: Readonly<Record<string, string>> = {
  'csi-attacher': 'github.com/kubernetes-csi/external-attacher/v4',
  'csi-provisioner': 'github.com/kubernetes-csi/external-provisioner/v6',
  'csi-resizer': 'github.com/kubernetes-csi/external-resizer/v2',
  'csi-snapshotter': SNAPSHOTTER,
  'snapshot-controller': SNAPSHOTTER,
};

const MODULES: readonly GoModule[] = [
  {
    name: 'kubernetes',
    programs: {
      etcd: 'go.etcd.io/etcd/server/v3',
      'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
      'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
      'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
      kubectl: 'k8s.io/kubernetes/cmd/kubectl',
      kubelet: 'k8s.io/kubernetes/cmd/kubelet',
      agnhost: 'k8s.io/kubernetes/test/images/agnhost',
    },
    linkerFlags: FLAGS.map((value) => `-X ${VERSION}.${value}`),
  },
  {
    name: 'sidecars',
    programs: Object.fromEntries(Object.entries(SIDECARS).map(([name, path]) => [name, `${path}/cmd/${name}`])),
    linkerFlags: [],
    patched: 'sigs.k8s.io/sig-storage-lib-external-provisioner/v13',
  },
];

/** Kubernetes' own storage tests: in the same Go module as Kubernetes, but built only when they are asked for. */
const SUITE: GoModule = {
  name: 'kubernetes',
  programs: { ginkgo: 'github.com/onsi/ginkgo/v2/ginkgo' },
  tests: { 'e2e.test': './suite' },
  linkerFlags: FLAGS.map((value) => `-X ${VERSION}.${value}`),
};

/** What the cluster is built of. */
export interface Tools {
  /** @returns the path of a program of MODULES */
  program(name: string): string;
  /** The version of Kubernetes, without v. */
  readonly kubernetes: string;
  /** Program of a sidecar → its version, with v. */
  readonly sidecars: Readonly<Record<string, string>>;
  /** YAML files: the CRDs of snapshots, and the snapshot-controller as its project deploys it. */
  readonly snapshotManifests: string;
}

/** Changes whenever the sources of a program do, or how it is built. */
async function keyOf({ name, linkerFlags, programs, tests = {} }: GoModule): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([linkerFlags, programs, tests]));
  if (Object.keys(tests).length > 0) hash.update(await readFile(join(HERE, name, 'suite', 'suite_test.go')));
  for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(join(HERE, name, file)));
  const missing = join(HERE, name, 'missing');
  for (const file of await readdir(missing, { recursive: true }).catch(() => []))
    if (file.endsWith('.go')) hash.update(await readFile(join(missing, file)));
  const { stdout } = await runCommand('go', ['version']);
  return hash.update(stdout).digest('hex').slice(0, 12);
}

/** @returns flags for go that replace the module by a copy of it with the files of missing/ */
async function patch(name: GoModule['name'], path: string, directory: string): Promise<string[]> {
  const copy = join(directory, 'patched');
  await cp(await sourceOf(path), copy, { recursive: true });
  // Go keeps its modules read-only.
  await mustRun('chmod', ['--recursive', 'u+w', copy]);
  await cp(join(HERE, name, 'missing'), copy, { recursive: true });
  const text = await readFile(join(HERE, name, 'go.mod'), 'utf8');
  const replaced = text.replace(`replace ${path} => ${path} `, `replace ${path} => ${copy} // `);
  if (replaced === text) throw new Error(`go.mod of ${name} does not replace ${path}`);
  await writeFile(join(directory, 'go.mod'), replaced);
  await cp(join(HERE, name, 'go.sum'), join(directory, 'go.sum'));
  return ['-modfile', join(directory, 'go.mod')];
}

async function buildModule(module: GoModule, directory: string): Promise<void> {
  const cwd = join(HERE, module.name);
  const patched = module.patched === undefined ? [] : await patch(module.name, module.patched, directory);
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' };
  const builds = [
    ...Object.entries(module.programs).map(([program, path]) => ({ program, path, verb: ['build'] })),
    ...Object.entries(module.tests ?? {}).map(([program, path]) => ({ program, path, verb: ['test', '-c'] })),
  ];
  for (const { program, path, verb } of builds) {
    const started = performance.now();
    const flags = [...patched, '-trimpath', '-ldflags', ['-s', '-w', ...module.linkerFlags].join(' ')];
    // Whoever works on this machine meanwhile comes first.
    await mustRun('nice', ['-n', '19', 'go', ...verb, ...flags, '-o', join(directory, program), path], {
      cwd,
      env,
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    process.stdout.write(`built ${program} in ${Math.round((performance.now() - started) / 1_000)} s\n`);
  }
}

/** The versions that go.mod asks for. */
async function sidecarVersions(): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(join(HERE, 'sidecars', 'go.mod'), 'utf8');
  const versionOf = (path: string): string => {
    const line = text.split('\n').find((one) => one.startsWith(`\t${path} v`));
    if (line === undefined) throw new Error(`go.mod of the sidecars does not require ${path}`);
    return line.trim().split(' ')[1] ?? '';
  };
  return Object.fromEntries(Object.entries(SIDECARS).map(([program, path]) => [program, versionOf(path)]));
}

/** @returns where Go keeps a module's files */
async function sourceOf(path: string): Promise<string> {
  const cwd = join(HERE, 'sidecars');
  await mustRun('go', ['mod', 'download', path], { cwd, timeoutMs: 300_000 });
  return (await mustRun('go', ['list', '-m', '-f', '{{.Dir}}', path], { cwd })).trim();
}

async function copyManifests(directory: string): Promise<void> {
  const [controller, client] = [await sourceOf(SNAPSHOTTER), await sourceOf(SNAPSHOT_CLIENT)];
  const isManifest = (name: string): boolean => name.endsWith('.yaml') && name !== 'kustomization.yaml';
  await mkdir(directory);
  for (const from of [join(client, 'config/crd'), join(controller, 'deploy/kubernetes/snapshot-controller')]) {
    for (const name of (await readdir(from)).filter(isManifest)) await cp(join(from, name), join(directory, name));
  }
}

/** @returns the directory with the module's programs, built when they are not in the cache yet */
async function ensureModule(module: GoModule): Promise<string> {
  const directory = join(CACHE, `e2e-${module.name}-${await keyOf(module)}`);
  if (existsSync(directory)) return directory;
  process.stdout.write(`building the programs of test/e2e/tools/${module.name} into ${directory}\n`);
  await mkdir(CACHE, { recursive: true });
  const unfinished = await mkdtemp(`${directory}.unfinished-`);
  try {
    await buildModule(module, unfinished);
    if (module.name === 'sidecars') await copyManifests(join(unfinished, 'manifests'));
    await rename(unfinished, directory);
    return directory;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** @returns the programs that run Kubernetes' own storage tests */
export async function ensureSuite(): Promise<{ readonly ginkgo: string; readonly tests: string }> {
  const directory = await ensureModule(SUITE);
  return { ginkgo: join(directory, 'ginkgo'), tests: join(directory, 'e2e.test') };
}

/** Builds what is missing; a cold build takes about ten minutes, a warm start none. */
export async function ensureTools(): Promise<Tools> {
  const directories = new Map<string, string>();
  for (const module of MODULES) {
    const directory = await ensureModule(module);
    for (const program of Object.keys(module.programs)) directories.set(program, directory);
  }
  return {
    kubernetes: KUBERNETES,
    sidecars: await sidecarVersions(),
    snapshotManifests: join(directories.get('csi-snapshotter') ?? '', 'manifests'),
    program: (name) => {
      const directory = directories.get(name);
      if (directory === undefined) throw new Error(`there is no program ${name}`);
      return join(directory, name);
    },
  };
}
