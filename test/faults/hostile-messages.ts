import fc from 'fast-check';
import protobuf from 'protobufjs';

/** Values that a field of this name may plausibly have; others get wild ones only. */
export type KnownValues = Readonly<Record<string, readonly unknown[]>>;

const MAX_DEPTH = 4;

const WILD_TEXT: readonly string[] = [
  '',
  ' ',
  '.',
  '..',
  '../../etc',
  'a/../../b',
  '\0',
  'a\0b',
  'pool/\n',
  '\u202e\ud83d\ude00',
  'é'.repeat(70),
  'x'.repeat(129),
  'x'.repeat(5000),
  '${pvc.metadata.name}',
  '-1',
  '0x10',
  '1e999',
  '{"a":1}',
  '--option',
];

const WILD_NUMBER: readonly (number | string)[] = [
  0,
  1,
  -1,
  '9223372036854775807',
  '-9223372036854775808',
  4096,
  1048576,
  8 * 1048576,
];

function scalar(type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case 'string':
      return fc.oneof(fc.constantFrom(...WILD_TEXT), fc.string({ unit: 'binary', maxLength: 40 }));
    case 'bool':
      return fc.boolean();
    case 'bytes':
      return fc.uint8Array({ maxLength: 64 });
    case 'int64':
    case 'uint64':
      return fc.constantFrom(...WILD_NUMBER);
    default:
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  }
}

/** Half of them plausible, half of them wild. */
function leaf(name: string, type: string, known: KnownValues): fc.Arbitrary<unknown> {
  const plausible = known[name];
  const wild = scalar(type);
  return plausible === undefined ? wild : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...plausible) }, wild);
}

function single(field: protobuf.Field, known: KnownValues, depth: number): fc.Arbitrary<unknown> {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return messagesOf(resolvedType, known, depth + 1);
  if (resolvedType instanceof protobuf.Enum) {
    // 7777: of a newer version of the spec.
    return fc.constantFrom(...Object.values(resolvedType.values), 7777);
  }
  return leaf(field.name, field.type, known);
}

function valuesOf(field: protobuf.Field, known: KnownValues, depth: number): fc.Arbitrary<unknown> {
  if (field instanceof protobuf.MapField) {
    const keys = known[`${field.name}.keys`] ?? [];
    const key = fc.oneof(fc.constantFrom(...(keys.length > 0 ? keys.map(String) : [''])), fc.string({ maxLength: 12 }));
    const value = fc.oneof(leaf(`${field.name}.values`, 'string', known), fc.constantFrom(...WILD_TEXT));
    return fc
      .array(fc.tuple(key, value), { maxLength: 4 })
      .map((entries) => Object.fromEntries(entries.map(([name, text]) => [name, String(text)])));
  }
  const one = single(field, known, depth);
  return field.repeated ? fc.array(one, { maxLength: 3 }) : one;
}

/** Objects of a message, of the shape that protobufjs' `fromObject` takes: any of the fields may be absent. */
export function messagesOf(type: protobuf.Type, known: KnownValues, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  if (depth > MAX_DEPTH) return fc.constant({});
  const fields = Object.fromEntries(type.fieldsArray.map((field) => [field.name, valuesOf(field, known, depth)]));
  const plain = fc.record(fields, { requiredKeys: [] });
  // Of a oneof, only one may be set.
  return plain.map((message) => {
    for (const { fieldsArray } of type.oneofsArray) {
      const set = fieldsArray.filter(({ name }) => name in message);
      for (const { name } of set.slice(1)) delete message[name];
    }
    return message;
  });
}

/** The bytes of messages, some of them cut or with a byte changed on the way. */
export function encodedMessages(type: protobuf.Type, known: KnownValues): fc.Arbitrary<Buffer> {
  const whole = messagesOf(type, known).map((message) => Buffer.from(type.encode(type.fromObject(message)).finish()));
  const cut = fc.tuple(whole, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % (bytes.length + 1)));
  const changed = fc.tuple(whole, fc.nat(), fc.nat({ max: 255 })).map(([bytes, at, value]) => {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[at % copy.length] = value;
    return copy;
  });
  return fc.oneof({ weight: 8, arbitrary: whole }, { weight: 1, arbitrary: cut }, { weight: 1, arbitrary: changed });
}
