// G.711 µ-law, as telephone lines carry it: a byte a sample, 8,000 of them a second.

export const RATE = 8000;
export const FRAME_BYTES = 160; // 20 ms
export const SILENCE = 0xff;

const BIAS = 0x84;
const CLIP = 32635;

const DECODED = Float32Array.from({ length: 256 }, (_, byte) => decoded(byte) / 32768);

function decoded(byte) {
  const bits = ~byte & 0xff;
  const magnitude = (((bits & 0x0f) << 3) + BIAS) << ((bits & 0x70) >> 4);
  return bits & 0x80 ? BIAS - magnitude : magnitude - BIAS;
}

/** The sample that a byte stands for, between -1 and 1. */
export function decode(byte) {
  return DECODED[byte];
}

/** The byte that stands for a sample between -1 and 1. */
export function encode(sample) {
  const value = Math.round(sample * 32768);
  const sign = value < 0 ? 0x80 : 0;
  const biased = Math.min(Math.abs(value), CLIP) + BIAS;
  const exponent = 31 - Math.clz32(biased) - 7;
  const mantissa = (biased >> (exponent + 3)) & 0x0f;
  return ~(sign | (exponent << 4) | mantissa) & 0xff;
}

/** Bytes that came as base64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Bytes as base64. */
export function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}
