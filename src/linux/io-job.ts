import type { IoThread } from './io-thread.js';

/** A call from run() to its end. */
export interface Job {
  readonly key: string;
  readonly op: string;
  readonly args: readonly unknown[];
  readonly deadlineMs: number;
  readonly submitted: number;
  readonly timer: NodeJS.Timeout;
  readonly settle: (value: unknown) => void;
  readonly fail: (error: Error) => void;
  readonly onReturned: ((value: unknown) => void) | undefined;
  /** Set while a thread works on it. */
  thread?: IoThread;
  givenUp: boolean;
  /** It came back, or will never start. */
  over: boolean;
}

/** What IoWorkers knows of one key. */
export interface KeyState {
  readonly queue: Job[];
  /** Calls under way that are still waited for. */
  running: number;
  /** Calls under way that were given up. */
  stuck: number;
  /** When a call last came back, by performance.now(). */
  answered: number;
}

/** What a call does, for people: "statfs of volumes/ab/pvc-1". */
export function describeJob({ op, args }: Job): string {
  const subject = args.find((value) => typeof value === 'string');
  return typeof subject === 'string' ? `${op} of ${subject === '' ? 'its root' : subject}` : op;
}
