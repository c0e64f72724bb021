// Reads and rewrites a WebAssembly module, section by section: its imports, its exports, its functions' names. Everything
// else stays as it is.
// The format: https://webassembly.github.io/spec/core/binary/modules.html

export const CUSTOM = 0;
const IMPORT = 2;
export const EXPORT = 7;
export const ELEMENT = 9;
export const CODE = 10;
export const DATA = 11;

/** The part of the custom section `name` that has the functions' names. */
const FUNCTION_NAMES = 1;

/** Kinds of what is imported or exported. */
const [FUNCTION, TABLE, MEMORY, GLOBAL, TAG] = [0, 1, 2, 3, 4];

/** The names that a module imports. */
export function importsOf(wasm) {
  return WebAssembly.Module.imports(new WebAssembly.Module(wasm)).map(({ name }) => name);
}

/** The names that a module exports. */
export function exportsOf(wasm) {
  return WebAssembly.Module.exports(new WebAssembly.Module(wasm)).map(({ name }) => name);
}

/** The module with those of its exports whose name passes. */
export function keepExports(wasm, passes) {
  return withSections(wasm, {
    [EXPORT]: (reader) => list(reader, () => {
      const start = reader.at;
      const name = reader.text();
      reader.skip(1);
      reader.number();
      return passes(name) ? [reader.since(start)] : null;
    }),
  });
}

/** The module with other names for what it imports and exports. */
export function rename(wasm, nameOf) {
  return withSections(wasm, {
    [IMPORT]: (reader) => list(reader, () => {
      const module = reader.text();
      const name = reader.text();
      const start = reader.at;
      skipType(reader);
      return [text(module), text(nameOf(name)), reader.since(start)];
    }),
    [EXPORT]: (reader) => list(reader, () => {
      const name = reader.text();
      const start = reader.at;
      reader.skip(1);
      reader.number();
      return [text(nameOf(name)), reader.since(start)];
    }),
  });
}

/** The bodies of a module's own functions. */
export function functionsOf(wasm) {
  const bodies = [];
  withSections(wasm, {
    [CODE]: (reader) => {
      for (let left = reader.number(); left > 0; left -= 1) {
        const length = reader.number();
        const start = reader.at;
        reader.skip(length);
        bodies.push(reader.since(start));
      }
    },
  });
  return bodies;
}

/** The module with these names, and no others, for its own functions. */
export function nameFunctions(wasm, names) {
  const isFunction = ({ kind }) => kind === 'function';
  const first = WebAssembly.Module.imports(new WebAssembly.Module(wasm)).filter(isFunction).length;
  const entries = names.flatMap((name, index) => [number(first + index), text(name)]);
  const content = Buffer.concat([number(names.length), ...entries]);
  const body = Buffer.concat([text('name'), Buffer.from([FUNCTION_NAMES]), number(content.length), content]);
  const unnamed = withSections(wasm, {
    [CUSTOM]: (reader) => (reader.text() === 'name' ? null : undefined),
  });
  return Buffer.concat([unnamed, Buffer.from([CUSTOM]), number(body.length), body]);
}

/** A module's sections: what kind each is, its name if it is a custom one, and what is in it. */
export function sectionsOf(wasm) {
  const sections = [];
  const reader = new Reader(wasm, 8);
  while (reader.at < wasm.length) {
    const [kind] = reader.take(1);
    const body = reader.take(reader.number());
    sections.push({ kind, body, name: kind === CUSTOM ? new Reader(body, 0).text() : undefined });
  }
  return sections;
}

/** The module with other sections where `change` gives one for the kind: `null` leaves it out, `undefined` as it is. */
export function withSections(wasm, change) {
  const parts = [wasm.subarray(0, 8)];
  for (const { kind, body } of sectionsOf(wasm)) {
    const changed = change[kind]?.(new Reader(body, 0));
    if (changed === null) continue;
    const now = changed ?? body;
    parts.push(Buffer.from([kind]), number(now.length), now);
  }
  return Buffer.concat(parts);
}

/** A vector whose elements `next` reads and gives back in parts, or `null` for one that goes. */
function list(reader, next) {
  const elements = [];
  for (let left = reader.number(); left > 0; left -= 1) {
    const element = next();
    if (element) elements.push(Buffer.concat(element));
  }
  return Buffer.concat([number(elements.length), ...elements]);
}

function skipType(reader) {
  const kind = reader.bytes[reader.at];
  reader.skip(1);
  if (kind === FUNCTION) {
    reader.number();
  } else if (kind === TABLE || kind === MEMORY) {
    if (kind === TABLE) reader.skip(1);
    const hasMost = reader.number() & 1;
    reader.number();
    if (hasMost) reader.number();
  } else if (kind === GLOBAL) {
    reader.skip(2);
  } else if (kind === TAG) {
    reader.skip(1);
    reader.number();
  } else {
    throw new Error(`an import of the unknown kind ${kind}`);
  }
}

/** Reads a module's bytes, one value after the other. */
export class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  skip(length) {
    this.at += length;
  }

  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  expect(byte) {
    if (this.bytes[this.at++] !== byte) throw new Error(`something other than ${byte} at ${this.at - 1}`);
  }

  since(start) {
    return this.bytes.subarray(start, this.at);
  }

  number() {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  signed() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(Number(shift) + 7, value));
    }
  }

  text() {
    const length = this.number();
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }
}

/** A number as a module has it. */
export function number(value) {
  const bytes = [];
  while (value > 127) {
    bytes.push((value & 127) | 128);
    value = Math.floor(value / 128);
  }
  return Buffer.from([...bytes, value]);
}

/** A number that may be negative, as a module has it. */
export function signedNumber(value) {
  const bytes = [];
  while (value < -64 || value > 63) {
    bytes.push((value & 127) | 128);
    value >>= 7;
  }
  return Buffer.from([...bytes, value & 127]);
}

function text(content) {
  const bytes = Buffer.from(content);
  return Buffer.concat([number(bytes.length), bytes]);
}
