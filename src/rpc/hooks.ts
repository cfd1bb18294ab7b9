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

/** A logger that is made when it has something to say: to make one costs pino more than all else that a Probe takes. */
function madeWhenUsed(make: () => Logger): Logger {
  let made: Logger | undefined;
  const logger = (): Logger => (made ??= make());
  return {
    debug: (fields, message) => logger().debug(fields, message),
    info: (fields, message) => logger().info(fields, message),
    warn: (fields, message) => logger().warn(fields, message),
    error: (fields, message) => logger().error(fields, message),
    child: (fields) => logger().child(fields),
  };
}

/** One log line and one metric sample per call; the redacted request at level debug. */
export function createHooks(serviceName: string, log: Logger, metrics: RpcMetrics): ServiceHooks {
  const isDebugging = log.isLevelEnabled?.('debug') ?? true;
  return {
    loggerFor: (method, request) =>
      madeWhenUsed(() => log.child({ requestId: randomBytes(6).toString('hex'), method, ...subjectOf(request) })),
    onStart: (method) => metrics.started(method),
    onEnd: (report) => {
      metrics.ended(report.method, report.code, report.durationMs);
      const fields = { code: report.code, ms: Math.round(report.durationMs * 100) / 100 };
      const type = isDebugging ? requestType(serviceName, report.method) : undefined;
      if (type !== undefined) report.log.debug({ request: redact(type, report.request) }, 'request');
      if (report.error === undefined) {
        if (!QUIET.has(report.method)) report.log.info(fields, 'rpc');
        else if (isDebugging) report.log.debug(fields, 'rpc');
      } else if (report.code === 'INTERNAL') report.log.error({ ...fields, err: report.error }, 'rpc');
      else report.log.warn({ ...fields, error: messageOf(report.error) }, 'rpc');
    },
  };
}
