import type { Check } from '../lib/check.js';
import { accessChecks } from './access.js';
import { attachChecks } from './attach.js';
import { basicChecks } from './basics.js';
import { chartChecks } from './chart.js';
import { copyChecks } from './copies.js';
import { exampleChecks } from './examples.js';
import { faultChecks } from './faults.js';
import { lifeChecks } from './life.js';
import { messageChecks } from './messages.js';
import { reinstallChecks } from './reinstall.js';
import { staticChecks } from './static.js';
import { topologyChecks } from './topology.js';

/** In the order in which they start. */
export const allChecks: readonly Check[] = [
  ...basicChecks,
  ...copyChecks,
  ...accessChecks,
  ...staticChecks,
  ...messageChecks,
  ...exampleChecks,
  ...chartChecks,
  ...lifeChecks,
  ...faultChecks,
  ...topologyChecks,
  ...attachChecks,
  ...reinstallChecks,
];
