import type { PodEvent, PodEvents } from '../../kube/pod-events.js';
import type { PublishedPods } from '../published-pods.js';
import type { ActiveCopy } from './active-copy.js';

export type HybridNews = 'behind' | 'caught-up' | 'lost';

export interface HybridNewsOptions {
  readonly node: string;
  readonly pods: PublishedPods;
  /** Undefined: there is no cluster to tell. */
  readonly events: () => PodEvents | undefined;
}

const MAX_REASON = 600;

function eventOf({ copy, problem }: ActiveCopy, news: HybridNews, node: string): PodEvent {
  const reaches = copy.state?.reaches ?? 'nothing yet';
  switch (news) {
    case 'behind':
      return {
        type: 'Warning',
        reason: 'VolumeBehind',
        message: `What the pod writes to volume ${copy.handle} stays on node ${node} for now (${(problem ?? '').slice(0, MAX_REASON)}): the pool has ${reaches}. The pod goes on.`,
      };
    case 'caught-up':
      return {
        type: 'Normal',
        reason: 'VolumeCaughtUp',
        message: `Volume ${copy.handle} on node ${node} is synced again.`,
      };
    case 'lost':
      return { type: 'Warning', reason: 'VolumeTakenOver', message: (problem ?? '').slice(0, MAX_REASON) };
  }
}

/** Tells the pods at the targets of a volume what became of its syncs. */
export function tellOfHybrid({
  node,
  pods,
  events,
}: HybridNewsOptions): (copy: ActiveCopy, news: HybridNews, targets: readonly string[]) => void {
  return (copy, news, targets) => events()?.tell(pods.at(targets), eventOf(copy, news, node));
}
