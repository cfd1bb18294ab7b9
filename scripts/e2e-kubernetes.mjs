// npm run e2e:kubernetes [-- FLAGS]: Kubernetes' own storage tests (External.Storage) on the cluster of npm run e2e.
import { onCluster } from './lib/on-cluster.mjs';

await onCluster('test/e2e/suite/main.ts');
