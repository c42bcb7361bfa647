// Twilio's play-out buffer: audio plays in the order in which it came, a mark is echoed when what came before
// it was played, a clear throws away what was not and echoes the marks that wait, in their order.

import { decode, RATE } from "./mulaw.js";

export const BYTES_MAX = 600 * RATE; // Twilio holds ten minutes; the rest is dropped with warning 31931.

export class Earpiece {
  /** @param {(event: object) => void} tell told of marks, clears, and what did not fit */
  constructor(tell) {
    this.tell = tell;
    this.pieces = [];
    this.offset = 0; // In the first piece.
    this.pending = 0; // Bytes that are still to be played.
    this.played = 0; // Bytes since the beginning.
    this.marks = []; // {name, at}: echoed when so much was played.
  }

  /** Audio of the agent's, as µ-law. */
  add(audio) {
    const room = Math.max(0, BYTES_MAX - this.pending);
    const taken = audio.length > room ? audio.subarray(0, room) : audio;
    if (taken.length < audio.length) this.tell({ event: "full", dropped: audio.length - taken.length });
    if (!taken.length) return;
    this.pieces.push(taken);
    this.pending += taken.length;
  }

  /** A mark behind the audio that came so far; where none is left it is echoed at once. */
  mark(name) {
    this.marks.push({ name, at: this.played + this.pending });
    this.echo();
  }

  /** Throws away what was not played. */
  clear() {
    const discarded = this.pending;
    this.pieces = [];
    this.offset = 0;
    this.pending = 0;
    const marks = this.marks.map((mark) => mark.name);
    this.tell({ event: "cleared", discarded, played: this.played, marks });
    for (const mark of this.marks) mark.at = Math.min(mark.at, this.played);
    this.echo();
  }

  /** The next so many samples, silence where there are no more. */
  play(samples) {
    for (let index = 0; index < samples.length; index++) samples[index] = this.next();
    this.echo();
  }

  next() {
    if (!this.pending) return 0;
    const piece = this.pieces[0];
    const sample = decode(piece[this.offset]);
    this.offset += 1;
    this.pending -= 1;
    this.played += 1;
    if (this.offset === piece.length) {
      this.pieces.shift();
      this.offset = 0;
    }
    return sample;
  }

  echo() {
    while (this.marks.length && this.marks[0].at <= this.played) {
      this.tell({ event: "mark", name: this.marks.shift().name, played: this.played });
    }
  }
}
