import { pino, type Logger as PinoLogger } from 'pino';

/** Where log lines go: JSON for machines, one readable line each when a person watches. */
export async function createLogger(level: string): Promise<PinoLogger> {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (!process.stdout.isTTY) return pino(options);
  const { default: pretty } = await import('pino-pretty');
  return pino(options, pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }));
}
