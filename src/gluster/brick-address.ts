/** A name, or an IPv4 address: bricks and their clients are told `transport.address-family inet`. */
const ADDRESS = /^((?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?)+):(\d{1,5})$/;

export interface BrickAddress {
  readonly host: string;
  readonly port: number;
}

/** @returns undefined for what is no HOST:PORT */
export function parseBrickAddress(text: string): BrickAddress | undefined {
  if (text.length > 260) return undefined;
  const [, host, digits] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  if (host === undefined || host.length > 253 || port < 1 || port > 65_535) return undefined;
  return { host, port };
}

export function isBrickAddress(text: string): boolean {
  return parseBrickAddress(text) !== undefined;
}
