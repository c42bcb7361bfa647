// The telephone's two ends on the audio thread: both at 8 kHz, with one clock, whatever the device runs at.

import { Earpiece } from "./earpiece.js";
import { Mouthpiece } from "./mouthpiece.js";
import { decode, RATE } from "./mulaw.js";
import { Resampler } from "./resampler.js";

const LEVEL_EVERY_S = 0.06;

class Telephone extends AudioWorkletProcessor {
  constructor() {
    super();
    const tell = (event) => this.port.postMessage(event);
    this.isOnLine = false;
    this.ended = false;
    this.ear = new Earpiece(tell);
    this.mouth = new Mouthpiece((frame) => this.sendFrame(frame));
    this.down = new Resampler(sampleRate, RATE);
    this.up = new Resampler(RATE, sampleRate);
    this.ready = new Float32Array(0); // Played samples at the device's rate, not yet handed out.
    this.levels = { said: 0, heard: 0, at: 0 };
    this.isSpeaking = false;
    this.port.onmessage = ({ data }) => this.told(data);
  }

  told(data) {
    if (data.audio) this.ear.add(data.audio);
    else if (data.mark !== undefined) this.ear.mark(data.mark);
    else if (data.clear) this.ear.clear();
    else if (data.say) this.mouth.say(data.say);
    else if (data.muted !== undefined) this.mouth.isMuted = data.muted;
    else if (data.line !== undefined) this.isOnLine = data.line;
    else if (data.reset) this.reset();
    else if (data.end) this.ended = true;
  }

  /** Nothing that was said or is still to be said goes over into the next stream. */
  reset() {
    this.ear = new Earpiece(this.ear.tell);
    this.mouth.forget();
  }

  process(inputs, outputs) {
    const output = outputs[0][0];
    const input = inputs[0][0] ?? new Float32Array(output.length);
    this.mouth.hear(this.down.push(input));
    this.hand(output);
    this.tellLevels();
    return !this.ended;
  }

  sendFrame(frame) {
    for (const byte of frame) this.levels.said = Math.max(this.levels.said, Math.abs(decode(byte)));
    if (this.isOnLine) this.port.postMessage({ event: "frame", frame }, [frame.buffer]);
  }

  hand(output) {
    while (this.ready.length < output.length) {
      const played = new Float32Array(8); // 1 ms: so exact is what was played.
      this.ear.play(played);
      for (const sample of played) this.levels.heard = Math.max(this.levels.heard, Math.abs(sample));
      const more = this.up.push(played);
      const joined = new Float32Array(this.ready.length + more.length);
      joined.set(this.ready);
      joined.set(more, this.ready.length);
      this.ready = joined;
    }
    output.set(this.ready.subarray(0, output.length));
    this.ready = this.ready.subarray(output.length);
  }

  tellLevels() {
    const isPlaying = this.ear.pending > 0;
    if (isPlaying !== this.isSpeaking) {
      this.isSpeaking = isPlaying;
      this.port.postMessage({ event: isPlaying ? "playing" : "quiet", played: this.ear.played });
    }
    if (currentTime - this.levels.at < LEVEL_EVERY_S) return;
    this.port.postMessage({ event: "level", said: this.levels.said, heard: this.levels.heard });
    this.levels = { said: 0, heard: 0, at: currentTime };
  }
}

registerProcessor("telephone", Telephone);
