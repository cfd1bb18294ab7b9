import type { Cluster } from '../cluster/cluster.js';
import type { Kubectl } from './kubectl.js';

/** What a check has. */
export interface CheckContext {
  readonly cluster: Cluster;
  /** In the check's own namespace, which is deleted after it. */
  readonly kubectl: Kubectl;
  readonly namespace: string;
}

export interface Check {
  /** What is true when it passes, in a user's words. */
  readonly name: string;
  /** Part of `--quick`. */
  readonly isQuick?: boolean;
  /** Its pods run an image of cluster/built-images.ts. */
  readonly needsBuiltImages?: boolean;
  /** It disturbs the whole cluster, and so runs alone. */
  readonly isAlone?: boolean;
  run(context: CheckContext): Promise<void>;
}

/** The feature is not there yet. */
export class NotYet extends Error {}

/** @throws Error that says what was expected */
export function expectThat(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

export function expectEqual<T extends string | number | boolean | undefined>(actual: T, wanted: T, what: string): void {
  expectThat(actual === wanted, `${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`);
}

export function expectIncludes(text: string, part: string, what: string): void {
  expectThat(text.includes(part), `${what} lacks "${part}": ${text}`);
}
