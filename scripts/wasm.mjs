// Reads and rewrites a WebAssembly module, section by section: its imports, its exports, its functions' names. Everything
// else stays as it is.
// The format: https://webassembly.github.io/spec/core/binary/modules.html

const CUSTOM = 0;
const IMPORT = 2;
const EXPORT = 7;
const CODE = 10;

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
    [CUSTOM]: (reader) => (reader.text() === 'name' ? text('unnamed') : null),
  });
  return Buffer.concat([unnamed, Buffer.from([CUSTOM]), number(body.length), body]);
}

function withSections(wasm, change) {
  const reader = new Reader(wasm, 8);
  const parts = [wasm.subarray(0, 8)];
  while (reader.at < wasm.length) {
    const kind = wasm[reader.at];
    reader.skip(1);
    const length = reader.number();
    const body = wasm.subarray(reader.at, reader.at + length);
    reader.skip(length);
    const changed = change[kind]?.(new Reader(body, 0)) ?? body;
    parts.push(Buffer.from([kind]), number(changed.length), changed);
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

class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  skip(length) {
    this.at += length;
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

  text() {
    const length = this.number();
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }
}

function number(value) {
  const bytes = [];
  while (value > 127) {
    bytes.push((value & 127) | 128);
    value = Math.floor(value / 128);
  }
  return Buffer.from([...bytes, value]);
}

function text(content) {
  const bytes = Buffer.from(content);
  return Buffer.concat([number(bytes.length), bytes]);
}
