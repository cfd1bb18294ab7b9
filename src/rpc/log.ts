import { pino, type Logger as PinoLogger } from 'pino';

/**
 * Where log lines go: JSON for machines, one readable line each when a person watches; to standard error for commands
 * whose standard output is their result.
 */
export async function createLogger(level: string, to: 'stdout' | 'stderr' = 'stdout'): Promise<PinoLogger> {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const { fd, isTTY } = process[to];
  if (!isTTY) return to === 'stdout' ? pino(options) : pino(options, pino.destination({ dest: fd, sync: true }));
  const { default: pretty } = await import('pino-pretty');
  return pino(
    options,
    pretty({ destination: fd, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }),
  );
}
