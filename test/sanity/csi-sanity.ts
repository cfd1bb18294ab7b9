import { spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { mustRun } from '../lib/run-command.js';
import { parseJunit, type Spec } from './junit.js';

export const VERSION = 'v5.5.0';
const MODULE = 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity';
const MiB = 1024 * 1024;

/** Where builds that take minutes are kept from run to run. */
const CACHE = process.env['KAYAL_TEST_CACHE'] ?? join(homedir(), '.cache', 'kayal-test');

/** @returns the program's path; built when this version is not in the cache yet */
export async function ensureCsiSanity(): Promise<string> {
  const bin = join(CACHE, `csi-sanity-${VERSION}`);
  const program = join(bin, 'csi-sanity');
  if (existsSync(program)) return program;
  process.stdout.write(`building csi-sanity ${VERSION} into ${bin}\n`);
  await mkdir(bin, { recursive: true });
  await mustRun('go', ['install', `${MODULE}@${VERSION}`], {
    env: { ...process.env, GOBIN: bin, GOFLAGS: '' },
    timeoutMs: 600_000,
  });
  return program;
}

export interface SanityOptions {
  readonly program: string;
  readonly endpoint: string;
  /** For the suite's mount points, its report and its log. */
  readonly directory: string;
  /** `--csi.…`, besides those of every run. */
  readonly flags: readonly string[];
}

export interface SanityResult {
  readonly specs: readonly Spec[];
  /** csi-sanity's own last words: `SUCCESS! -- 61 Passed | 0 Failed | 1 Pending | 34 Skipped`. */
  readonly summary: string;
  readonly exitCode: number | undefined;
  readonly log: string;
}

/** Runs the whole suite: no spec is skipped or focused. The verbose output goes to the log. */
export async function runCsiSanity({ program, endpoint, directory, flags }: SanityOptions): Promise<SanityResult> {
  const report = join(directory, 'junit.xml');
  const log = join(directory, 'csi-sanity.log');
  const mutableParameters = join(directory, 'mutable-parameters.yaml');
  await writeFile(mutableParameters, 'onDelete: delete\nsoftLimitPercent: "90"\n');
  const output = createWriteStream(log);
  const child = spawn(
    program,
    [
      `--csi.endpoint=${endpoint}`,
      `--csi.mountdir=${join(directory, 'mount')}`,
      `--csi.stagingdir=${join(directory, 'staging')}`,
      `--csi.testvolumesize=${64 * MiB}`,
      `--csi.testvolumeexpandsize=${128 * MiB}`,
      `--csi.testvolumemutableparameters=${mutableParameters}`,
      ...flags,
      '--ginkgo.v',
      '--ginkgo.no-color',
      `--ginkgo.junit-report=${report}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  const exitCode = await new Promise<number | undefined>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? undefined));
  });
  output.end();
  await finished(output);
  const text = await readFile(log, 'utf8');
  if (!existsSync(report)) throw new Error(`csi-sanity made no report:\n${text.slice(-4000)}`);
  const summary = /^(?:SUCCESS|FAIL)! -- .*$/m.exec(text)?.[0] ?? 'csi-sanity printed no summary';
  return { specs: parseJunit(await readFile(report, 'utf8')), summary, exitCode, log };
}
