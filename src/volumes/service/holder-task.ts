/*
 * What people ask of the one who may change a pool. While a controller holds the pool's lease they ask it, through a
 * file in `.kayal/requests/tasks`, and it answers in that file; otherwise the command takes the lease and does the task
 * itself. The file holds no more than a wish: whoever holds the lease decides, by its records.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { KayalError, deadlineExceeded, messageOf, type ErrorCode } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { REQUESTS_DIRECTORY } from '../records/layout.js';
import { purgeKept } from './purge-kept.js';
import { releaseNode } from './release-node.js';
import { repairPool } from '../health/repair.js';
import { change, type Session } from '../pool/session.js';

const TASKS_DIRECTORY = `${REQUESTS_DIRECTORY}/tasks`;
const MAX_TASK_BYTES = 1024 * 1024;
/** Lines beyond these would make the answer larger than one read of it. */
const MAX_LINES = 2_000;
const LOOK_EVERY_MS = 300;
/** Others wait for their answer. */
const TASK_WAIT_MS = 4_500;
/** Answers and tasks that nobody came back for are removed after this time, in ms. */
const FORGOTTEN_AFTER_MS = 60 * 60 * 1000;

const ERROR_CODES = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'OUT_OF_RANGE',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
] as const satisfies readonly ErrorCode[];

const taskSchema = v.variant('kind', [
  v.object({ kind: v.literal('purge'), id: v.string() }),
  v.object({ kind: v.literal('repair') }),
  v.object({ kind: v.literal('release'), id: v.string(), node: v.string(), again: v.boolean() }),
]);
const fileSchema = v.object({
  task: taskSchema,
  /** ISO 8601, UTC. */
  askedAt: v.string(),
  answer: v.optional(
    v.union([
      v.object({ done: v.array(v.string()) }),
      v.object({ code: v.picklist(ERROR_CODES), message: v.string() }),
    ]),
  ),
});

export type HolderTask = v.InferOutput<typeof taskSchema>;
type TaskFile = v.InferOutput<typeof fileSchema>;

const formatTask = (file: TaskFile): Buffer => Buffer.from(`${JSON.stringify(file)}\n`);

/** @returns undefined for what is no task */
async function readTask(tree: Tree, path: string): Promise<TaskFile | undefined> {
  const data = await tree.readFile(path, MAX_TASK_BYTES);
  try {
    return data && v.parse(fileSchema, JSON.parse(data.toString('utf8')));
  } catch {
    return undefined;
  }
}

/**
 * Does a task; the caller's session holds the lease.
 * @param waitMs how long a task may take that can be asked for again: ABORTED after that, while it goes on
 * @returns what was done, a line each
 */
export async function performTask(session: Session, task: HolderTask, waitMs: number): Promise<string[]> {
  switch (task.kind) {
    case 'purge':
      return [await purgeKept(session, task.id)];
    case 'repair':
      return repairPool(session);
    case 'release':
      return [await releaseNode(session, task, waitMs)];
  }
}

/** Answers the tasks that people have asked of the holder of the lease. */
export async function answerTasks(session: Session): Promise<void> {
  const { tree, lease, log } = session;
  for (const { name } of (await tree.list(TASKS_DIRECTORY)) ?? []) {
    if (!name.endsWith('.json')) continue;
    const path = `${TASKS_DIRECTORY}/${name}`;
    const file = await readTask(tree, path);
    if (file === undefined || Date.now() - Date.parse(file.askedAt) > FORGOTTEN_AFTER_MS) {
      await change(session, () => tree.unlink(path));
      continue;
    }
    if (file.answer !== undefined) continue;
    const answer = await answerTo(session, file.task);
    log.info({ task: file.task, answer }, 'done what was asked');
    await change(session, () =>
      tree.replaceFile(lease.temporary(`task-${name}`), path, formatTask({ ...file, answer })),
    );
  }
}

async function answerTo(session: Session, task: HolderTask): Promise<TaskFile['answer']> {
  try {
    const done = await performTask(session, task, TASK_WAIT_MS);
    return { done: done.slice(0, MAX_LINES) };
  } catch (error) {
    return { code: error instanceof KayalError ? error.code : 'UNAVAILABLE', message: messageOf(error) };
  }
}

export interface AskOptions {
  readonly tree: Tree;
  readonly pool: string;
  readonly task: HolderTask;
  readonly timeoutMs: number;
}

/**
 * Asks the controller that holds the lease, and waits for its answer.
 * @returns what it did, a line each
 * @throws KayalError what it answers, DEADLINE_EXCEEDED when it does not
 */
export async function askHolder({ tree, pool, task, timeoutMs }: AskOptions): Promise<string[]> {
  const name = randomUUID();
  const path = `${TASKS_DIRECTORY}/${name}.json`;
  await tree.mkdirs(TASKS_DIRECTORY, 0o700);
  const asked = formatTask({ task, askedAt: new Date().toISOString() });
  await tree.replaceFile(`${TASKS_DIRECTORY}/.${name}`, path, asked);
  try {
    for (const until = performance.now() + timeoutMs; performance.now() < until; await sleep(LOOK_EVERY_MS)) {
      const answer = (await readTask(tree, path))?.answer;
      if (answer === undefined) continue;
      if ('done' in answer) return answer.done;
      throw new KayalError(answer.code, answer.message);
    }
    throw deadlineExceeded(`the controller of pool ${pool} did not answer within ${timeoutMs / 1000} s: see its log`);
  } finally {
    await tree.unlink(path);
  }
}
