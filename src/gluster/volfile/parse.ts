/** One `volume … end-volume` block. */
export interface VolfileVolume {
  readonly name: string;
  readonly type: string;
  readonly options: Readonly<Record<string, string>>;
  readonly subvolumes: readonly string[];
}

/** A value that graph.l reads as a quoted string, without its quotes. */
function unquote(value: string): string {
  return /^".*"$/s.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : value;
}

function parseBlock(name: string, lines: readonly string[]): VolfileVolume {
  let type = '';
  let subvolumes: string[] = [];
  const options: [string, string][] = [];
  for (const line of lines) {
    const [keyword = '', ...words] = line.split(/\s+/);
    const [key, ...rest] = words;
    if (key === undefined) continue;
    if (keyword === 'type') type = unquote(key);
    else if (keyword === 'option') options.push([key, unquote(rest.join(' '))]);
    else if (keyword === 'subvolumes') subvolumes = words;
  }
  return { name, type, options: Object.fromEntries(options), subvolumes };
}

/** The graph that a volfile of one statement per line describes (what glusterd and Kayal write), the lowest translator first. */
export function parseVolfile(text: string): VolfileVolume[] {
  const volumes: VolfileVolume[] = [];
  let name: string | undefined;
  let block: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    const start = /^volume\s+(\S+)$/.exec(line);
    if (start?.[1] !== undefined) {
      name = start[1];
      block = [];
    } else if (line === 'end-volume') {
      if (name !== undefined) volumes.push(parseBlock(name, block));
      name = undefined;
    } else if (name !== undefined && !line.startsWith('#')) {
      block.push(line);
    }
  }
  return volumes;
}
