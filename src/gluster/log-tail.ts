import { open } from 'node:fs/promises';
import { isErrno } from '../base/errors.js';

const TAIL_BYTES = 64 * 1024;

/** `[time] E [MSGID: 1] [file.c:1:function] 0-name: text`; what has no such start is the volfile, with the password in it. */
const LINE = /^\[\d{4}-\d\d-\d\d [^\]]*\] ([A-Z]) (?:\[MSGID: \d+\] )?\[[^\]]*\] [^ ]*: (.*)$/;

/** Lines that say more than others about why a process does not work, and what to tell people instead. */
const KNOWN: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [/server authentication failed/i, () => 'the servers refused its credentials'],
  [/failed to (?:fetch volume file|get the 'volume file')/i, () => 'the servers have no such volume'],
  [/DNS resolution failed on host (\S+)/i, ([, host = '']) => `the name ${host} cannot be resolved`],
  [/Address already in use/i, () => 'its port is taken by another program'],
  [/could not load (?:our cert|private key) at (\S+)/i, ([, path = '']) => `TLS: its client cannot load ${path}`],
  [/could not load CA list/i, () => 'TLS: its client cannot load the list of authorities (ca)'],
  [
    /certificate verify failed/i,
    () => 'TLS: the servers show no certificate of the authorities in ca that is valid now',
  ],
  [
    /alert ((?:unknown|bad|expired|revoked|certificate|decrypt|handshake)[a-z ]*)/i,
    ([, alert = '']) => `TLS: the servers refused the connection (${alert})`,
  ],
  [/mismatching volume-id/i, ([text]) => text],
  [/failed to get the port number for remote subvolume/i, () => 'a brick does not run: is the volume started?'],
  [/All subvolumes are down/i, () => 'none of its bricks answers'],
];

function textsOf(log: string): { readonly level: string; readonly text: string }[] {
  return log.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    return match === null ? [] : [{ level: match[1] ?? '', text: (match[2] ?? '').trim() }];
  });
}

/** What a piece of GlusterFS' log says went wrong, in one line without secrets; undefined: nothing. */
export function reasonInLog(log: string): string | undefined {
  const texts = textsOf(log);
  for (const [pattern, say] of KNOWN) {
    for (const { text } of texts) {
      const match = pattern.exec(text);
      if (match !== null) return say(match);
    }
  }
  const last = texts.findLast(({ level }) => level === 'C') ?? texts.findLast(({ level }) => level === 'E');
  return last?.text.slice(0, 300);
}

/** reasonInLog of what was written to `path` after its first `offset` bytes. */
export async function reasonFromLog(path: string, offset: number): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const from = Math.max(offset, size - TAIL_BYTES);
      if (size <= from) return undefined;
      const buffer = Buffer.alloc(size - from);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
      return reasonInLog(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
