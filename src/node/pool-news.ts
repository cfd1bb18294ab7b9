import type { PodEvent, PodEvents } from '../kube/pod-events.js';
import type { PublishedPods } from './published-pods.js';

/** What happens to all volumes of a pool on this node. */
export type PoolNews = 'died' | 'healed' | 'hangs' | 'answers';

export interface PoolNewsOptions {
  readonly node: string;
  readonly pods: PublishedPods;
  /** Undefined: there is no cluster to tell. */
  readonly events: () => PodEvents | undefined;
}

const EVENTS: Readonly<Record<PoolNews, (pool: string, node: string) => PodEvent>> = {
  died: (pool, node) => ({
    type: 'Warning',
    reason: 'VolumeClientEnded',
    message: `The GlusterFS client of pool ${pool} on node ${node} ended: volumes of it answer with errors until another one has taken over, which takes seconds.`,
  }),
  healed: (pool, node) => ({
    type: 'Normal',
    reason: 'VolumeHealed',
    message: `Volumes of pool ${pool} work again on node ${node}, but for files that were open when the client ended.`,
  }),
  hangs: (pool, node) => ({
    type: 'Warning',
    reason: 'VolumeHangs',
    message: `Pool ${pool} does not answer on node ${node}: whoever uses volumes of it waits, and goes on when its bricks answer.`,
  }),
  answers: (pool, node) => ({
    type: 'Normal',
    reason: 'VolumeAnswers',
    message: `Pool ${pool} answers again on node ${node}.`,
  }),
};

/** Tells the pods of this node that use volumes of the pool. */
export function tellPods({ node, pods, events }: PoolNewsOptions): (pool: string, news: PoolNews) => void {
  return (pool, news) => events()?.tell(pods.of(pool), EVENTS[news](pool, node));
}
