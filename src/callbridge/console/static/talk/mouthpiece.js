// What the caller says, in frames of 20 ms: the microphone, or a typed sentence in its place. Silence is sent
// as well: a telephone line is never idle.

import { encode, FRAME_BYTES, SILENCE } from "./mulaw.js";

export class Mouthpiece {
  /** @param {(frame: Uint8Array) => void} send takes a frame of µ-law */
  constructor(send) {
    this.send = send;
    this.isMuted = false;
    this.frame = new Uint8Array(FRAME_BYTES);
    this.filled = 0;
    this.typed = [];
    this.offset = 0; // In the first typed sentence.
  }

  /** A sentence as µ-law, spoken after those before it; meanwhile the microphone is not heard. */
  say(audio) {
    if (audio.length) this.typed.push(audio);
  }

  /** Typed sentences that are not spoken yet are spoken no more. */
  forget() {
    this.typed = [];
    this.offset = 0;
  }

  /** Samples of the microphone, at 8 kHz. */
  hear(samples) {
    for (const sample of samples) {
      this.frame[this.filled++] = this.byteOf(sample);
      if (this.filled === FRAME_BYTES) {
        this.send(this.frame);
        this.frame = new Uint8Array(FRAME_BYTES);
        this.filled = 0;
      }
    }
  }

  byteOf(sample) {
    if (!this.typed.length) return this.isMuted ? SILENCE : encode(sample);
    const sentence = this.typed[0];
    const byte = sentence[this.offset++];
    if (this.offset === sentence.length) {
      this.typed.shift();
      this.offset = 0;
    }
    return byte;
  }
}
