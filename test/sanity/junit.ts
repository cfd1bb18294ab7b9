/** One spec of a Ginkgo suite, as its JUnit report tells. */
export interface Spec {
  readonly name: string;
  /** `pending`: switched off in the suite's own source. */
  readonly status: 'passed' | 'failed' | 'skipped' | 'pending';
  /** Why it was skipped, or how it failed; '' when it passed. */
  readonly message: string;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9A-Fa-f]+)|#(\d+)|(\w+));/g,
    (entity, hex?: string, decimal?: string, name?: string) => {
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
      return ENTITIES[name ?? ''] ?? entity;
    },
  );
}

function attribute(attributes: string, name: string): string {
  return decode(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? '');
}

function statusOf(text: string): Spec['status'] {
  // Ginkgo also says panicked, interrupted, aborted, timedout.
  return text === 'passed' || text === 'skipped' || text === 'pending' ? text : 'failed';
}

/**
 * Reads the report of `--ginkgo.junit-report`. Go's XML encoder escapes `>` and `"` inside values, so that regular
 * expressions are enough.
 */
export function parseJunit(xml: string): readonly Spec[] {
  return [...xml.matchAll(/<testcase\s([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g)].map(([, attributes = '', body = '']) => {
    const status = statusOf(attribute(attributes, 'status'));
    const detail = /<(?:skipped|failure|error)\s([^>]*?)\/?>/.exec(body)?.[1] ?? '';
    return {
      name: attribute(attributes, 'name').replace(/^\[It\] /, ''),
      status,
      message: status === 'passed' ? '' : attribute(detail, 'message').replace(/^skipped - /, ''),
    };
  });
}
