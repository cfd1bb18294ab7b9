// npm run e2e [-- FLAGS]: a Kubernetes cluster of three real nodes on this machine, Kayal in it by its chart, and checks of both (test/e2e).
import { onCluster } from './lib/on-cluster.mjs';

await onCluster('test/e2e/main.ts');
