// Takes out of a linked WebAssembly module what only a panic needs: the code that puts its message together, the places in
// the source that it names, and what else nothing but these leads to. A panic then traps at once, as it would be with
// Rust's `panic=immediate-abort`, which stable Rust does not have. The linker cannot do this: for it, all of that is used.
// The same goes for `Debug` where only a vtable has it: every `dyn Error` does, and only the message of a failed `unwrap`
// calls it. `{:?}` of a value whose type is known stays as it is.
//
// The module must have been linked with `--emit-relocs` (build.rs does that when FAIRWIND_RELOCATIONS is set). Its
// relocations say which function and which piece of data refers to which.
// The format: https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md

import { CODE, CUSTOM, DATA, ELEMENT, EXPORT, Reader, number, sectionsOf, signedNumber, withSections } from './wasm.mjs';

/** Functions of Rust's libraries and of wasm-bindgen that do nothing but panic. None of them returns. */
const PANICS = [
  'assert_failed',
  'borrow_fail',
  'expect_failed',
  'handle_alloc_error',
  'len_mismatch_fail',
  'panic',
  'panic_access_error',
  'panic_already_borrowed',
  'panic_already_mutably_borrowed',
  'panic_bounds_check',
  'panic_const_async_fn_resumed',
  'panic_const_div_by_zero',
  'panic_display',
  'panic_fmt',
  'panic_poisoned',
  'slice_error_fail',
  'slice_index_fail',
  'throw_null',
  'throw_str',
  'unwrap_failed',
];

/** Their symbols: the name with its length before it stands last, but for a hash, or the types of a generic function. */
const PANIC = new RegExp(
  `(?<!\\d)(?:${PANICS.map((name) => name.length + name).join('|')})(?:17h[0-9a-f]{16}E)?(?:[ij]{2}E\\w+)?$`,
);

/** The symbol of a function that formats for `{:?}`. */
const DEBUG = /(?<!\d)(?:5Debug|Debug\$GT\$)3fmt/;

// Kinds of symbols.
const [FUNCTION, DATA_SYMBOL, SECTION] = [0, 1, 3];

/** The part of the section `linking` that has the symbols. */
const SYMBOL_TABLE = 8;

/** Flags of a symbol. */
const [UNDEFINED, EXPLICIT_NAME] = [0x10, 0x40];

// Kinds of relocations: whose index is a symbol's, and which of those have an addend.
const [FUNCTION_INDEX, TABLE_INDEX, TABLE_INDEX_IN_DATA, ADDRESS_LEB, ADDRESS, ADDRESS_IN_DATA] = [0, 1, 2, 3, 4, 5];
const [TYPE_INDEX, GLOBAL_INDEX, TABLE_NUMBER] = [6, 7, 20];
const WITH_ADDEND = [ADDRESS_LEB, ADDRESS, ADDRESS_IN_DATA];
const KNOWN = [FUNCTION_INDEX, TABLE_INDEX, TABLE_INDEX_IN_DATA, ...WITH_ADDEND, TYPE_INDEX, GLOBAL_INDEX, TABLE_NUMBER];

// Instructions, by their first byte.
const [UNREACHABLE, BLOCK, LOOP, IF, END, BR, BR_IF, BR_TABLE] = [0x00, 0x02, 0x03, 0x04, 0x0b, 0x0c, 0x0d, 0x0e];
const [CALL, CALL_INDIRECT, SELECT, LOCAL_GET, TABLE_SET] = [0x10, 0x11, 0x1c, 0x20, 0x26];
const [FIRST_LOAD, LAST_STORE, MEMORY_SIZE, MEMORY_GROW] = [0x28, 0x3e, 0x3f, 0x40];
const [I32_CONST, I64_CONST, F32_CONST, F64_CONST, REF_NULL, REF_FUNC, LONG] = [0x41, 0x42, 0x43, 0x44, 0xd0, 0xd2, 0xfc];

/** How many numbers follow an instruction that begins with [LONG]; none where it is not listed. */
const AFTER_LONG = { 8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1 };

/** How many bytes a place in the source takes, as `core::panic::Location`. */
const LOCATION_SIZE = 16;

/** Where a vtable has the size of its type, the alignment, and the first function: that of `Debug`, if the trait extends it. */
const [VTABLE_SIZE, VTABLE_ALIGN, VTABLE_FIRST] = [4, 8, 12];

/** The module without all that, and without its relocations. An export for which `isDropped` holds counts for nothing, and traps. */
export function prune(wasm, isDropped) {
  const module = read(wasm);
  const panics = new Set();
  for (const { kind, index, name } of module.symbols) if (kind === FUNCTION && PANIC.test(name ?? '')) panics.add(index);
  const { live, slots, reached } = mark(module, panics, isDropped);
  const trap = panics.values().next().value;
  if (trap === undefined) throw new Error('no function of the module panics: its symbols have other names than expected');
  return withSections(wasm, {
    [CUSTOM]: (reader) => (/^(?:linking|reloc\..*)$/.test(reader.text()) ? null : undefined),
    // wasm-bindgen reads what functions say of closures, those of functions that nothing reaches too.
    [CODE]: () => trapping(module, (index) => panics.has(index) || !reached.has(index)),
    [ELEMENT]: (reader) => withoutSlots(reader, slots, trap),
    [DATA]: () => withoutData(module, live),
  });
}

/** What of a module the rest needs. */
function read(wasm) {
  const sections = sectionsOf(wasm);
  const section = (kind, name) => {
    const found = sections.find((section) => section.kind === kind && section.name === name);
    if (!found) throw new Error('the module has no relocations: link it with FAIRWIND_RELOCATIONS=1');
    return found;
  };
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm)).filter(({ kind }) => kind === 'function').length;
  const code = section(CODE).body;
  const data = section(DATA).body;
  return {
    imports,
    code,
    data,
    exports: exportsIn(new Reader(section(EXPORT).body, 0)),
    functions: functionsIn(new Reader(code, 0)),
    segments: segmentsIn(new Reader(data, 0)),
    symbols: symbolsIn(section(CUSTOM, 'linking').body),
    inCode: relocationsIn(section(CUSTOM, 'reloc.CODE').body),
    inData: relocationsIn(section(CUSTOM, 'reloc.DATA').body),
  };
}

function exportsIn(reader) {
  return vector(reader, () => {
    const name = reader.text();
    const [kind] = reader.take(1);
    return { name, kind, index: reader.number() };
  });
}

function functionsIn(reader) {
  return vector(reader, () => {
    const length = reader.number();
    reader.skip(length);
    return { start: reader.at - length, end: reader.at };
  });
}

function segmentsIn(reader) {
  return vector(reader, () => {
    if (reader.number() !== 0) throw new Error('a data segment of a kind that is not known here');
    reader.expect(I32_CONST);
    const address = reader.signed();
    reader.expect(END);
    const size = reader.number();
    reader.skip(size);
    return { address, start: reader.at - size, size };
  });
}

function symbolsIn(body) {
  const reader = new Reader(body, 0);
  reader.text();
  reader.number();
  while (reader.at < body.length) {
    const [kind] = reader.take(1);
    const length = reader.number();
    if (kind === SYMBOL_TABLE) return vector(reader, () => symbol(reader));
    reader.skip(length);
  }
  throw new Error('the module has no symbols');
}

function symbol(reader) {
  const [kind] = reader.take(1);
  const flags = reader.number();
  const isDefined = !(flags & UNDEFINED);
  if (kind === SECTION) return { kind, index: reader.number() };
  if (kind === DATA_SYMBOL) {
    const name = reader.text();
    if (!isDefined) return { kind, name, size: 0 };
    return { kind, name, segment: reader.number(), offset: reader.number(), size: reader.number() };
  }
  const index = reader.number();
  return { kind, index, name: isDefined || flags & EXPLICIT_NAME ? reader.text() : undefined };
}

function relocationsIn(body) {
  const reader = new Reader(body, 0);
  reader.text();
  reader.number();
  return vector(reader, () => {
    const kind = reader.number();
    if (!KNOWN.includes(kind)) throw new Error(`a relocation of the unknown kind ${kind}`);
    const relocation = { kind, at: reader.number(), index: reader.number() };
    if (WITH_ADDEND.includes(kind)) reader.signed();
    return relocation;
  });
}

/** What the exports lead to, without the panics: functions, live symbols of data, and live slots of the table of functions. */
function mark(module, panics, isDropped) {
  const { imports, symbols, functions } = module;
  const pieces = symbols.flatMap(({ kind, segment, offset, size }, index) => {
    if (kind !== DATA_SYMBOL || size === 0) return [];
    const start = module.segments[segment].start + offset;
    return [{ index, start, end: start + size }];
  });
  const byStart = new Map(module.inData.map((relocation) => [relocation.at, relocation]));
  const locations = locationsOf(module, pieces, byStart);
  const byFunction = group(functions.map((range, index) => ({ ...range, index: imports + index })), module.inCode);
  const byPiece = group(pieces, module.inData);
  const forPanics = new Set([...argumentsOf(module, panics), ...debugsOf(module, pieces, byStart)]);

  const reached = new Set(module.exports.filter(({ kind, name }) => kind === FUNCTION && !isDropped(name)).map(({ index }) => index));
  const live = new Set();
  const slots = new Set();
  const next = [...reached].map((index) => ({ relocations: byFunction.get(index), bytes: module.code, index }));
  for (let item = next.pop(); item !== undefined; item = next.pop()) {
    if (item.bytes === module.code && panics.has(item.index)) continue;
    for (const relocation of item.relocations ?? []) {
      const target = symbols[relocation.index];
      if ([TYPE_INDEX, GLOBAL_INDEX, TABLE_NUMBER].includes(relocation.kind) || forPanics.has(relocation)) continue;
      if (target.kind === FUNCTION) {
        if (relocation.kind === TABLE_INDEX) slots.add(new Reader(module.code, relocation.at).signed());
        if (relocation.kind === TABLE_INDEX_IN_DATA) slots.add(module.data.readUInt32LE(relocation.at));
        if (reached.has(target.index)) continue;
        reached.add(target.index);
        next.push({ relocations: byFunction.get(target.index), bytes: module.code, index: target.index });
      } else if (target.kind === DATA_SYMBOL && !live.has(relocation.index) && !locations.has(relocation.index)) {
        live.add(relocation.index);
        next.push({ relocations: byPiece.get(relocation.index), bytes: module.data });
      }
    }
  }
  return { live: pieces.filter(({ index }) => live.has(index)), slots, reached };
}

/** The relocations that each of these ranges has, by the range's index. Ranges of data may overlap. */
function group(ranges, relocations) {
  const sorted = relocations.toSorted((a, b) => a.at - b.at);
  const grouped = new Map();
  for (const { start, end, index } of ranges) {
    const own = [];
    for (let at = firstFrom(sorted, start); at < sorted.length && sorted[at].at < end; at += 1) own.push(sorted[at]);
    if (own.length > 0) grouped.set(index, own);
  }
  return grouped;
}

/** The number of the first relocation at or after this place. */
function firstFrom(sorted, start) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle].at < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The symbols that are places in the source: a file's name, a line and a column. Only a panic's message names them. */
function locationsOf(module, pieces, byStart) {
  const isLocation = ({ start, end }) => {
    const file = module.symbols[byStart.get(start)?.index];
    if (end - start !== LOCATION_SIZE || file?.kind !== DATA_SYMBOL || file.size === 0) return false;
    const from = module.segments[file.segment].start + file.offset;
    return module.data.toString('latin1', from, from + module.data.readUInt32LE(start + 4)).endsWith('.rs');
  };
  return new Set(pieces.filter(isLocation).map(({ index }) => index));
}

/** The relocations by which vtables have functions that format for `{:?}`. */
function debugsOf({ symbols }, pieces, byStart) {
  return pieces.flatMap(({ start, end }) => {
    const first = byStart.get(start + VTABLE_FIRST);
    const isVtable = start + VTABLE_FIRST < end && !byStart.has(start + VTABLE_SIZE) && !byStart.has(start + VTABLE_ALIGN);
    return isVtable && first?.kind === TABLE_INDEX_IN_DATA && DEBUG.test(symbols[first.index].name ?? '') ? [first] : [];
  });
}

/** The relocations of constants that are pushed right before a call of these functions: nothing looks at them. */
function argumentsOf({ code, inCode, functions, imports, symbols }, panics) {
  const sorted = inCode.toSorted((a, b) => a.at - b.at);
  const byPlace = new Map(sorted.map((relocation) => [relocation.at, relocation]));
  const found = [];
  for (const [index, { start, end }] of functions.entries()) {
    let callsPanic = false;
    for (let at = firstFrom(sorted, start); at < sorted.length && sorted[at].at < end; at += 1) {
      const { kind, index } = sorted[at];
      callsPanic ||= kind === FUNCTION_INDEX && panics.has(symbols[index].index);
    }
    if (!callsPanic || panics.has(imports + index)) continue;
    let pushed = [];
    for (const { at, opcode } of instructionsOf(new Reader(code, start), end)) {
      const relocation = byPlace.get(at + 1);
      if (opcode === I32_CONST && relocation) pushed.push(relocation);
      else if (opcode === CALL && panics.has(symbols[relocation.index].index)) found.push(...pushed);
      if (![I32_CONST, I64_CONST, LOCAL_GET].includes(opcode)) pushed = [];
    }
  }
  return found;
}

function* instructionsOf(reader, end) {
  vector(reader, () => [reader.number(), reader.number()]);
  while (reader.at < end) {
    const { at } = reader;
    const [opcode] = reader.take(1);
    yield { at, opcode };
    if ([BLOCK, LOOP, IF, I32_CONST, I64_CONST, REF_NULL].includes(opcode)) reader.signed();
    else if ([BR, BR_IF, CALL, REF_FUNC].includes(opcode) || (opcode >= LOCAL_GET && opcode <= TABLE_SET)) reader.number();
    else if ([MEMORY_SIZE, MEMORY_GROW].includes(opcode)) reader.number();
    else if (opcode === CALL_INDIRECT || (opcode >= FIRST_LOAD && opcode <= LAST_STORE)) numbers(reader, 2);
    else if (opcode === BR_TABLE) numbers(reader, reader.number() + 1);
    else if (opcode === SELECT) numbers(reader, reader.number());
    else if (opcode === F32_CONST) reader.skip(4);
    else if (opcode === F64_CONST) reader.skip(8);
    else if (opcode === LONG) numbers(reader, AFTER_LONG[reader.number()] ?? 0);
  }
  if (reader.at !== end) throw new Error(`an instruction that is not known here, before ${end}`);
}

function numbers(reader, count) {
  for (let left = count; left > 0; left -= 1) reader.number();
}

/** The section of code in which some functions do nothing but trap. */
function trapping({ code, functions, imports }, isTrap) {
  const noLocals = 0;
  const trap = Buffer.from([noLocals, UNREACHABLE, END]);
  const bodies = functions.map(({ start, end }, index) => (isTrap(imports + index) ? trap : code.subarray(start, end)));
  return Buffer.concat([number(bodies.length), ...bodies.flatMap((body) => [number(body.length), body])]);
}

/** The table of functions with a function that traps in each slot that is not live. */
function withoutSlots(reader, slots, trap) {
  const parts = vector(reader, () => {
    if (reader.number() !== 0) throw new Error('an element segment of a kind that is not known here');
    reader.expect(I32_CONST);
    const first = reader.signed();
    reader.expect(END);
    const indices = vector(reader, () => reader.number()).map((index, slot) => (slots.has(first + slot) ? index : trap));
    const head = [number(0), Buffer.from([I32_CONST]), signedNumber(first), Buffer.from([END]), number(indices.length)];
    return Buffer.concat([...head, ...indices.map(number)]);
  });
  return Buffer.concat([number(parts.length), ...parts]);
}

/** The section of data with zeros, which wasm-opt leaves out, for every symbol that is not live. */
function withoutData({ data, segments, symbols }, live) {
  const cleared = Buffer.from(data);
  for (const { kind, segment, offset, size } of symbols) {
    if (kind !== DATA_SYMBOL || size === 0) continue;
    const start = segments[segment].start + offset;
    cleared.fill(0, start, start + size);
  }
  // Symbols may share bytes: text that ends another text, for one.
  for (const { start, end } of live) data.copy(cleared, start, start, end);
  return cleared;
}

function vector(reader, next) {
  return Array.from({ length: reader.number() }, next);
}
