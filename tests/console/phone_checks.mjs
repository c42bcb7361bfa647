// Runs the phone's pure modules outside of a browser, and prints what came of it as JSON.
// Given: the folder of the modules, and a file with the operations on earpieces.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, given] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${folder}/${name}`));
const { decode, encode, toBase64, fromBase64 } = await load("mulaw.js");
const { Earpiece } = await load("earpiece.js");
const { Mouthpiece } = await load("mouthpiece.js");
const { Resampler } = await load("resampler.js");
const { MediaStream } = await load("media-stream.js");
const plan = JSON.parse(readFileSync(given, "utf8"));

// Each run is a list of [name, value]; what was told is noted with the place at which it was told.
function run(operations) {
  const told = [];
  const ear = new Earpiece((event) => told.push(event));
  let heard = [];
  for (const [name, value] of operations) {
    if (name === "add") ear.add(fromBase64(value));
    else if (name === "mark") ear.mark(value);
    else if (name === "clear") ear.clear();
    else {
      const samples = new Float32Array(value);
      ear.play(samples);
      heard = heard.concat([...samples]);
    }
  }
  return { told, pending: ear.pending, played: ear.played, heard };
}

function loudness(from, to, hz) {
  const seconds = 0.25;
  const input = Float32Array.from({ length: from * seconds }, (_, n) => Math.sin((2 * Math.PI * hz * n) / from));
  const resampler = new Resampler(from, to);
  const output = [];
  for (let at = 0; at < input.length; at += 128) output.push(...resampler.push(input.subarray(at, at + 128)));
  const middle = output.slice(to * 0.05, to * 0.2);
  const rms = Math.sqrt(middle.reduce((sum, sample) => sum + sample * sample, 0) / middle.length);
  return { rms, samples: output.length };
}

function frames(told) {
  const sent = [];
  const mouth = new Mouthpiece((frame) => sent.push(toBase64(frame)));
  for (const [name, value] of told) {
    if (name === "say") mouth.say(fromBase64(value));
    else if (name === "muted") mouth.isMuted = value;
    else if (name === "forget") mouth.forget();
    else mouth.hear(new Float32Array(value).fill(0.5));
  }
  return sent;
}

const texts = [];
const stream = new MediaStream(plan.identity, (text) => texts.push(text));
stream.open();
stream.media(new Uint8Array(160).fill(255));
stream.media(fromBase64(plan.frame));
stream.press("#");
stream.mark("m-1");
stream.stop();

console.log(
  JSON.stringify({
    decoded: Array.from({ length: 256 }, (_, byte) => decode(byte) * 32768),
    encoded: plan.samples.map((sample) => encode(sample / 32768)),
    runs: plan.runs.map(run),
    loudness: plan.tones.map(([from, to, hz]) => loudness(from, to, hz)),
    frames: frames(plan.mouth),
    texts,
    read: plan.messages.map((text) => {
      const { audio, ...rest } = stream.read(text);
      return audio ? { audio: toBase64(audio) } : rest;
    }),
  }),
);
