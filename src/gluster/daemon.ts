import { createHash } from 'node:crypto';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { limitLog, preparePrivateLog } from './private-files.js';
import { reasonFromLog } from './log-tail.js';
import { readPidFile, removePidFile, writePidFile } from './pid-file.js';
import { findGlusterProcess, spawnDetached } from './processes.js';
import { RunningProcess } from './running-process.js';
import { talksTls } from './tls-argument.js';

/** A process that lived this long did not fail at its start: the next start is tried at once. */
const HEALTHY_MS = 2_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

export interface DaemonOptions {
  /** For people, e.g. "brick 0". */
  readonly name: string;
  /** Program and arguments; `volfile` is among them and tells the process from all others. */
  readonly argv: readonly string[];
  readonly volfile: string;
  /** The content of the volfile: a running process that was started with another one is outdated. */
  readonly volfileText: string;
  /** The directory of volfile, log and pid file. */
  readonly directory: string;
  readonly logFile: string;
  readonly pidFile: string;
  readonly log: Logger;
  /** Runs before every start; when it throws, that start failed and is tried again later. */
  readonly prepare?: () => Promise<void>;
  /** How to start it; spawnDetached by default. */
  readonly launch?: (argv: readonly string[]) => Promise<RunningProcess>;
  /** Called after every start and adoption. */
  readonly onStart?: () => void;
}

/** One glusterfs or glusterfsd process that is kept running, and that goes on running when we die. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #digest: string;
  #wanted = false;
  #process: RunningProcess | undefined;
  #launching: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #reason: string | undefined;
  #adopted = false;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#digest = createHash('sha256').update(options.volfileText).digest('hex');
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Why it does not run, or did not when it was last tried. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** True while it is the process that an earlier driver started. */
  get adopted(): boolean {
    return this.#adopted;
  }

  /**
   * Takes over the process that an earlier driver left running.
   * @returns whether there was one, and whether it runs with today's volfile, or cannot even talk to those that do
   */
  async adopt(): Promise<'absent' | 'current' | 'outdated' | 'incompatible'> {
    const record = await readPidFile(this.#options.pidFile);
    const { argv: wanted, directory, volfile } = this.#options;
    const found = await findGlusterProcess({
      recordedPid: record?.pid,
      directory,
      matches: (argv) => argv.includes(volfile),
    });
    if (found === undefined) return 'absent';
    this.#wanted = true;
    this.#options.log.info({ pid: found.pid }, `${this.#options.name}: adopted`);
    const digest = record?.pid === found.pid && record.startTime === found.startTime ? record.digest : undefined;
    await writePidFile(this.#options.pidFile, { ...found, digest: digest ?? '' });
    this.#watch(RunningProcess.adopt(found));
    this.#adopted = true;
    if (talksTls(found.argv) !== talksTls(wanted)) return 'incompatible';
    return digest === this.#digest ? 'current' : 'outdated';
  }

  /** Sees to it that it runs. A start that fails is tried again until stop(); `reason` says why. */
  async start(): Promise<void> {
    this.#wanted = true;
    if (this.#process === undefined) await this.#launch();
  }

  /** Ends it and starts it again at once. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends it for good: SIGTERM, SIGKILL after five seconds. */
  async stop(): Promise<void> {
    await this.release();
    const process = this.#process;
    this.#process = undefined;
    await process?.end();
    if (process?.alive() === true)
      this.#options.log.error({ pid: process.pid }, `${this.#options.name}: hangs and cannot be ended`);
    await removePidFile(this.#options.pidFile);
  }

  /** Leaves it running without anybody who restarts it. */
  async release(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#retry);
    await this.#launching;
  }

  #launch(): Promise<void> {
    this.#launching ??= this.#tryLaunch().finally(() => {
      this.#launching = undefined;
    });
    return this.#launching;
  }

  async #tryLaunch(): Promise<void> {
    const { argv, launch = spawnDetached, logFile, name, log, pidFile, prepare } = this.#options;
    try {
      await prepare?.();
      const logged = await preparePrivateLog(logFile);
      const started = await launch(argv);
      this.#watch(started, logged);
      await writePidFile(pidFile, { pid: started.pid, startTime: started.startTime, digest: this.#digest });
      this.#reason = undefined;
      log.info({ pid: started.pid }, `${name}: started`);
    } catch (error) {
      const reason = messageOf(error);
      // The same failure every five seconds is worth one line.
      if (reason !== this.#reason) log.error({ reason }, `${name}: cannot be started`);
      this.#reason = reason;
      if (this.#process === undefined) this.#later();
    }
  }

  #watch(running: RunningProcess, logged?: number): void {
    const since = performance.now();
    const unlimit = limitLog(this.#options.logFile);
    this.#process = running;
    this.#adopted = false;
    this.#options.onStart?.();
    void running.ended.then(async (how) => {
      unlimit();
      const cause = await this.#causeIn(logged);
      if (this.#process !== running) return;
      this.#process = undefined;
      if (!this.#wanted) return;
      this.#reason = cause === undefined ? how : `${how}: ${cause}`;
      if (performance.now() - since >= HEALTHY_MS) this.#failures = 0;
      this.#later();
      const { log, name } = this.#options;
      log.warn({ pid: running.pid, reason: this.#reason }, `${name}: ended, is started again`);
    });
  }

  /** What its log says since then; nothing about a process that an earlier driver started. */
  async #causeIn(logged: number | undefined): Promise<string | undefined> {
    if (logged === undefined) return undefined;
    return reasonFromLog(this.#options.logFile, logged).catch(() => undefined);
  }

  #later(): void {
    if (!this.#wanted) return;
    const delay = this.#failures === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#failures - 1));
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#launch(), delay).unref();
  }
}
