import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/base/errors.js';
import { describeLeftovers, findLeftovers } from '../lib/leftovers.js';
import { findEarlierRuns, removeRun, RunDirectory } from '../lib/run-directory.js';
import { driverPaths, logTail } from '../lib/driver.js';
import { brickProcess } from './bricks.js';
import { loseBrick, removeVolume, start, useVolume, type Demo } from './scenario.js';
import { expect, Steps } from './steps.js';

/** On disk, and short; see RunDirectory. */
const BASE = process.env['KAYAL_DEMO_DIR'] ?? '/var/tmp/kayal-demo';

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function removeAll(runs: readonly string[]): Promise<void> {
  for (const run of runs) {
    await removeRun(run);
    say(`removed ${run}`);
  }
}

async function howToPlay({ driver, bricks, volume, target }: Demo): Promise<string> {
  const { config, socket, log } = driverPaths(driver.directory);
  const brick = await brickProcess(bricks[0] ?? '');
  return `
Everything goes on running; kayal all is process ${driver.pid}, the volume is ${volume.id}. For example:

  V=${target}
  dd if=/dev/zero of=$V/big bs=1M             # until the limit of 128 MiB stops it
  df -h $V
  kill -9 ${brick?.pid}    # a brick: it is started again, and healed
  kill -9 ${driver.pid}    # the driver: bricks and mounts go on

  D=${driver.directory}
  tail -f $D/${basename(log)}
  find $D/bricks -name .glusterfs -prune -o -print       # what the bricks hold
  vi $D/${basename(config)}                 # a changed configuration is picked up
  csc -e unix://$D/${basename(socket)} controller list-volumes   # any CSI client

npm run demo -- --stop ends it and removes everything.`;
}

async function finish(steps: Steps, demo: Demo, run: RunDirectory): Promise<void> {
  await removeVolume(steps, demo);
  await steps.step('stop "kayal all" and look for what is left', async () => {
    const exitCode = await demo.driver.stop();
    expect(exitCode === 0, `it ended with ${exitCode ?? 'a signal'}`);
    const left = describeLeftovers(await findLeftovers(run.path));
    expect(left.length === 0, `left behind: ${left.join('; ')}`);
    await run.remove();
    expect(!existsSync(run.path), `${run.path} is still there`);
    return 'no process, no mount, no file';
  });
}

async function demonstrate(isKept: boolean): Promise<number> {
  const run = await RunDirectory.create(BASE);
  const steps = new Steps();
  const cleanUp = async (): Promise<void> => {
    if (existsSync(run.path)) await run.remove();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
  }
  try {
    const demo = await start(steps, run.path);
    await useVolume(steps, demo);
    await loseBrick(steps, demo);
    if (isKept) {
      await run.markKept();
      say(await howToPlay(demo));
      demo.driver.client.close();
    } else await finish(steps, demo, run);
    return 0;
  } catch (error) {
    if (steps.failed === 0) say(`the demo itself failed: ${messageOf(error)}`);
    say(`\nThe last lines of the driver's log:\n${await logTail(driverPaths(run.path).log)}`);
    await cleanUp();
    return 1;
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: 'boolean' }, stop: { type: 'boolean' } } });
  const { crashed, kept } = await findEarlierRuns(BASE);
  await removeAll(crashed);
  if (values.stop === true) {
    await removeAll(kept);
    return 0;
  }
  if (kept.length > 0) {
    say(`${kept.join(', ')} is still running: npm run demo -- --stop ends it`);
    return 1;
  }
  const started = performance.now();
  const exitCode = await demonstrate(values.keep === true);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(
    exitCode === 0 ? `\nEvery step was as it should be, ${seconds} s in all.` : `\nThe demo FAILED after ${seconds} s.`,
  );
  return exitCode;
}

process.exitCode = await main();
