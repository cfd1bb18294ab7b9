const END = '.transport.socket.ssl-enabled=on';

/**
 * What the volfile of a process says, on its command line: by this argument a process that talks TLS is told from one that
 * does not; the two cannot reach each other.
 * @param translators a pattern of the names of its connections
 */
export function tlsArgument(translators: string): string {
  return `--xlator-option=${translators}${END}`;
}

export function talksTls(argv: readonly string[]): boolean {
  return argv.some((argument) => argument.endsWith(END));
}
