/**
 * The proof of work of altcha, version 1: find the number which, written after the salt, has the
 * SHA-256 that the challenge names. Our own SHA-256, because the browser's is asynchronous, which
 * costs more than the hash, and is missing on pages without TLS.
 */

export interface Challenge {
  algorithm: string;
  challenge: string;
  maxnumber: number;
  salt: string;
  signature: string;
}

/** For so long the page may not answer to its visitor at a stretch. */
const SLICE_MS = 12;
const HASHES_BETWEEN_LOOKS = 200;

const fraction = (x: number) => ((x % 1) * 2 ** 32) | 0;

/** The constants of FIPS 180-4: fractions of the roots of the first primes. */
const K: number[] = [];
const H: number[] = [];
for (let n = 2; K.length < 64; n++) {
  let d = 2;
  while (n % d) d++;
  if (d < n) continue;
  if (H.length < 8) H.push(fraction(Math.sqrt(n)));
  K.push(fraction(Math.cbrt(n)));
}

type Eight = [number, number, number, number, number, number, number, number];

const W = new Int32Array(64);
const turn = (x: number, n: number) => (x >>> n) | (x << (32 - n));

/** One block of 16 words from `at` on, worked into the state. */
function compress(state: Int32Array, words: Int32Array, at: number): void {
  let [a, b, c, d, e, f, g, h] = state as unknown as Eight;
  for (let i = 0; i < 64; i++) {
    const x = W[i - 15]!;
    const y = W[i - 2]!;
    W[i] =
      i < 16
        ? words[at + i]!
        : W[i - 16]! +
          W[i - 7]! +
          (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) +
          (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
    const high = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const one = h + high + ((e & f) ^ (~e & g)) + K[i]! + W[i]!;
    const low = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    const two = low + ((a & b) ^ (a & c) ^ (b & c));
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i]! += word;
  });
}

/** SHA-256 of an ASCII text, as eight words. */
export function sha256(text: string): Int32Array {
  const { length } = text;
  const words = new Int32Array((((length + 8) >> 6) + 1) * 16);
  const put = (at: number, byte: number) => {
    words[at >> 2]! |= byte << (24 - (at & 3) * 8);
  };
  for (let i = 0; i < length; i++) put(i, text.charCodeAt(i));
  put(length, 128);
  words[words.length - 1] = length * 8;
  const state = Int32Array.from(H);
  for (let at = 0; at < words.length; at += 16) compress(state, words, at);
  return state;
}

const wordsOf = (hex: string) =>
  (hex.match(/.{8}/g) ?? []).map((word) => Number.parseInt(word, 16) | 0);

/**
 * The token for a challenge; rejects when the challenge is none, or has no solution.
 *
 * `breathe` lets the page do something else; `over` says that nobody waits for the token any more.
 */
export async function solve(
  { algorithm, challenge, maxnumber, salt, signature }: Challenge,
  { now, breathe, over }: { now(): number; breathe(): Promise<void>; over(): boolean },
): Promise<string> {
  const wanted = wordsOf(challenge);
  let since = now();
  for (let number = 0; number <= maxnumber && algorithm === "SHA-256" && !over(); number++) {
    const hash = sha256(salt + number);
    if (hash.every((word, i) => word === wanted[i])) {
      return btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
    }
    if (number % HASHES_BETWEEN_LOOKS === 0 && now() - since > SLICE_MS) {
      await breathe();
      since = now();
    }
  }
  throw new Error("no solution");
}
