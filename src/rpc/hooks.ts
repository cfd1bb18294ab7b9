import { randomBytes } from 'node:crypto';
import type protobuf from 'protobufjs';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { RpcMetrics } from './metrics.js';
import { redact } from './redact.js';
import { schemaRoot } from './schema.js';
import type { ServiceHooks } from './service.js';

/** The volume (or other object) that a CSI request is about, for the log. */
function subjectOf(request: object): Readonly<Record<string, string>> {
  const fields = request as Readonly<Record<string, unknown>>;
  for (const [key, label] of [
    ['volume_id', 'volume'],
    ['snapshot_id', 'snapshot'],
    ['name', 'name'],
  ] as const) {
    const value = fields[key];
    if (typeof value === 'string' && value !== '') return { [label]: value.slice(0, 256) };
  }
  return {};
}

function requestType(serviceName: string, method: string): protobuf.Type | undefined {
  return schemaRoot.lookupService(serviceName).methods[method]?.resolvedRequestType ?? undefined;
}

/** Calls that a healthy cluster makes all the time; at `info` they would drown the others. */
const QUIET = new Set(['Probe', 'GetPluginInfo', 'GetPluginCapabilities', 'NodeGetCapabilities', 'NodeGetVolumeStats']);

/** One log line and one metric sample per call; the redacted request at level debug. */
export function createHooks(serviceName: string, log: Logger, metrics: RpcMetrics): ServiceHooks {
  return {
    loggerFor: (method, request) =>
      log.child({ requestId: randomBytes(6).toString('hex'), method, ...subjectOf(request) }),
    onStart: (method) => metrics.started(method),
    onEnd: (report) => {
      metrics.ended(report.method, report.code, report.durationMs);
      const fields = { code: report.code, ms: Math.round(report.durationMs * 100) / 100 };
      const type = requestType(serviceName, report.method);
      if (type !== undefined) report.log.debug({ request: redact(type, report.request) }, 'request');
      if (report.error === undefined) {
        if (QUIET.has(report.method)) report.log.debug(fields, 'rpc');
        else report.log.info(fields, 'rpc');
      } else if (report.code === 'INTERNAL') report.log.error({ ...fields, err: report.error }, 'rpc');
      else report.log.warn({ ...fields, error: messageOf(report.error) }, 'rpc');
    },
  };
}
