// In which order functions stand best for a compressor: each beside those that it is most like. What brotli finds again
// nearby takes fewer bits than what it finds far away.

/** How many bytes make a piece that two functions may have in common. */
const PIECE = 4;

/** Pieces that more functions have than this say nothing. */
const TOO_COMMON = 400;

/** The functions' numbers in that order: after each comes, of those that are left, the one most like it. */
export function bySimilarity(functions) {
  const pieces = functions.map(piecesOf);
  const owners = new Map();
  for (const [index, own] of pieces.entries()) {
    for (const piece of own) {
      if (owners.has(piece)) owners.get(piece).push(index);
      else owners.set(piece, [index]);
    }
  }
  const left = new Set(functions.keys());
  const order = [];
  for (let current = largest(functions); current !== undefined; current = mostLike(current) ?? first(left)) {
    order.push(current);
    left.delete(current);
  }
  return order;

  function mostLike(current) {
    const shared = new Map();
    for (const piece of pieces[current]) {
      const others = owners.get(piece);
      if (others.length > TOO_COMMON) continue;
      // What few have in common counts for more.
      const weight = 1 / Math.log2(1 + others.length);
      for (const other of others) {
        if (left.has(other)) shared.set(other, (shared.get(other) ?? 0) + weight);
      }
    }
    let best;
    let most = 0;
    for (const [other, weight] of shared) {
      const likeness = weight / Math.sqrt(pieces[other].size + PIECE);
      if (likeness > most) [best, most] = [other, likeness];
    }
    return best;
  }
}

function piecesOf(bytes) {
  const pieces = new Set();
  for (let at = 0; at + PIECE <= bytes.length; at += 1) pieces.add(bytes.readInt32LE(at));
  return pieces;
}

function largest(functions) {
  const longer = (best, index) => (best === undefined || functions[index].length > functions[best].length ? index : best);
  return [...functions.keys()].reduce(longer, undefined);
}

function first(set) {
  return set.values().next().value;
}
