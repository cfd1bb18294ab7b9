/** A path of one byte per character (latin1) as text, for messages. */
export const textOfPath = (path: string): string => Buffer.from(path, 'latin1').toString('utf8');

/** The directory of such a path, and the name in it as system calls take it. */
export function splitBytes(path: string): { readonly parent: string; readonly name: Uint8Array } {
  const slash = path.lastIndexOf('/');
  return { parent: slash < 0 ? '' : path.slice(0, slash), name: Buffer.from(`${path.slice(slash + 1)}\0`, 'latin1') };
}
