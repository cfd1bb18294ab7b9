import { invalidArgument } from '../../base/errors.js';

/** One translator of a graph. */
export interface Translator {
  readonly name: string;
  /** Its folder among GlusterFS' translators, e.g. `protocol/client`. */
  readonly type: string;
  readonly options?: Readonly<Record<string, string | number>>;
  readonly subvolumes?: readonly string[];
}

/**
 * What may stand in a volfile unquoted: graph.l ends a word at white space, `"` and `\`, drops what follows `#`, and
 * before that everything between backticks is run as a command (libglusterfs, glusterfs_graph_construct).
 */
const WORD = /^[A-Za-z0-9._/,:*@%+=~-]+$/;

function word(text: string, what: string): string {
  if (WORD.test(text)) return text;
  throw invalidArgument(
    `${what} ${JSON.stringify(text)} cannot be written to a volfile: use letters, digits and . _ / , : * @ % + = ~ - only`,
  );
}

/** Collects translators, the lowest first, and prints them as a volfile. */
export class VolfileGraph {
  readonly #volumes: string[] = [];
  readonly #names = new Set<string>();

  /**
   * Adds a translator on top of `subvolumes`, which were added before.
   * @returns its name
   * @throws KayalError INVALID_ARGUMENT for a word that a volfile cannot hold
   */
  add({ name, type, options = {}, subvolumes = [] }: Translator): string {
    const missing = subvolumes.find((below) => !this.#names.has(below));
    if (missing !== undefined)
      throw invalidArgument(`translator ${name} stands on ${missing}, which is not in the graph`);
    if (this.#names.has(name)) throw invalidArgument(`translator ${name} is in the graph already`);
    this.#names.add(word(name, 'name'));
    this.#volumes.push(
      [
        `volume ${name}`,
        `  type ${word(type, 'type')}`,
        ...Object.entries(options).map(
          ([key, value]) => `  option ${word(key, 'option')} ${word(String(value), `the value of ${key}`)}`,
        ),
        ...(subvolumes.length === 0 ? [] : [`  subvolumes ${subvolumes.join(' ')}`]),
        'end-volume',
      ].join('\n'),
    );
    return name;
  }

  text(): string {
    return `${this.#volumes.join('\n\n')}\n`;
  }
}
