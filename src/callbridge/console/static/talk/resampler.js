// From one sample rate to another, as a stream, through a low-pass filter: a windowed sinc.
//
// Without the filter what lies above 4 kHz would fold back into the voice.

const CROSSINGS = 20; // Of the sinc, on each side.
const PASSES = 0.9; // Of half the lower rate: what is above it fades out.
const KAISER = 7.5; // 75 dB of what must not pass are taken away.
const STEPS = 256; // Of the table, for each sample.

export class Resampler {
  /**
   * @param {number} from samples a second that come
   * @param {number} to samples a second that go
   */
  constructor(from, to) {
    this.step = from / to;
    const cutoff = (Math.min(from, to) / from) * PASSES;
    this.half = Math.ceil(CROSSINGS / cutoff);
    this.kernel = kernel(cutoff, this.half);
    this.input = new Float32Array(this.half); // What is before the first sample is silence.
    this.at = this.half; // Of the next output sample, in what is kept of the input.
  }

  /** Takes input, and hands out what of the output it completes. */
  push(samples) {
    const input = new Float32Array(this.input.length + samples.length);
    input.set(this.input);
    input.set(samples, this.input.length);
    const output = [];
    while (this.at + this.half < input.length) {
      output.push(this.sampleAt(input, this.at));
      this.at += this.step;
    }
    const passed = Math.max(0, Math.floor(this.at) - this.half);
    this.input = input.subarray(passed);
    this.at -= passed;
    return Float32Array.from(output);
  }

  sampleAt(input, at) {
    const first = Math.ceil(at - this.half);
    const last = Math.min(Math.floor(at + this.half), input.length - 1);
    let sum = 0;
    for (let index = Math.max(first, 0); index <= last; index++) {
      const place = Math.abs(at - index) * STEPS;
      const whole = Math.floor(place);
      const low = this.kernel[whole];
      sum += input[index] * (low + (this.kernel[whole + 1] - low) * (place - whole));
    }
    return sum;
  }
}

function kernel(cutoff, half) {
  return Float32Array.from({ length: half * STEPS + 2 }, (_, index) => {
    const at = index / STEPS;
    return cutoff * sinc(cutoff * at) * kaiser(at / half);
  });
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return x > 1 ? 0 : bessel(KAISER * Math.sqrt(1 - x * x)) / bessel(KAISER);
}

function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
