// Twilio's side of the Media Streams protocol: what it sends, and what it takes from the other side.
// Numbers are strings, except inside `mediaFormat`.

import { FRAME_BYTES, fromBase64, toBase64 } from "./mulaw.js";

const FRAME_MS = 20;
const FIRST_TIMESTAMP_MS = 99; // Of a captured stream; it is never 0.
const FIELDS = { media: "payload", mark: "name", clear: null };

export class MediaStream {
  /**
   * @param {{account_sid: string, call_sid: string, stream_sid: string, parameters: object}} identity
   * @param {(text: string) => void} send
   */
  constructor(identity, send) {
    this.identity = identity;
    this.sendText = send;
    this.sequence = 0;
    this.chunk = 0;
  }

  /** The socket stands. */
  open() {
    const { account_sid, call_sid, stream_sid, parameters } = this.identity;
    this.sendText(JSON.stringify({ event: "connected", protocol: "Call", version: "1.0.0" }));
    this.send("start", {
      start: {
        accountSid: account_sid,
        streamSid: stream_sid,
        callSid: call_sid,
        tracks: ["inbound"],
        mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
        customParameters: parameters,
      },
    });
  }

  /** A frame of the caller's. */
  media(frame) {
    if (frame.length !== FRAME_BYTES) throw new Error("a frame has 20 ms");
    const timestamp = String(FIRST_TIMESTAMP_MS + FRAME_MS * this.chunk);
    this.chunk += 1;
    const payload = toBase64(frame);
    this.send("media", { media: { track: "inbound", chunk: String(this.chunk), timestamp, payload } });
  }

  /** A key of the caller's. */
  press(digit) {
    this.send("dtmf", { dtmf: { track: "inbound_track", digit } });
  }

  /** The echo of a mark. */
  mark(name) {
    this.send("mark", { mark: { name } });
  }

  /** The stream ends on this side. */
  stop() {
    const { account_sid, call_sid } = this.identity;
    this.send("stop", { stop: { accountSid: account_sid, callSid: call_sid } });
  }

  /**
   * A message from the other side: `{audio}`, `{mark}` or `{clear}` for the earpiece; else `{warning}`, in
   * Twilio's code and words, and the message is passed over.
   */
  read(text) {
    if (typeof text !== "string") return { warning: "31950: a binary message" };
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return { warning: `31951: not JSON: ${text.slice(0, 80)}` };
    }
    const fault = faultOf(message, this.identity.stream_sid);
    if (fault) return { warning: `31951: ${fault}` };
    switch (message.event) {
      case "media":
        return contentOf(message.media.payload);
      case "mark":
        return { mark: message.mark.name };
      default:
        return { clear: true };
    }
  }

  send(event, body) {
    this.sequence += 1;
    const head = { event, sequenceNumber: String(this.sequence) };
    this.sendText(JSON.stringify({ ...head, ...body, streamSid: this.identity.stream_sid }));
  }
}

function contentOf(payload) {
  try {
    return { audio: fromBase64(payload) };
  } catch {
    return { warning: `31951: media: the payload is not base64: ${payload.slice(0, 40)}` };
  }
}

function faultOf(message, streamSid) {
  if (message === null || typeof message !== "object" || Array.isArray(message)) return "not a JSON object";
  if (!Object.hasOwn(FIELDS, message.event)) return `unknown event ${message.event}`;
  const inner = FIELDS[message.event];
  const fault =
    shapeFault(message, ["event", "streamSid", ...(inner ? [message.event] : [])]) ??
    (inner ? shapeFault(message[message.event], [inner]) : null);
  if (fault) return `${message.event}: ${fault}`;
  if (message.streamSid !== streamSid) return `${message.event}: wrong streamSid ${message.streamSid}`;
  const value = inner ? message[message.event][inner] : "";
  return typeof value === "string" ? null : `${message.event}: ${inner} must be a string`;
}

function shapeFault(fields, expected) {
  if (fields === null || typeof fields !== "object") return "must be an object";
  const missing = expected.filter((name) => !Object.hasOwn(fields, name));
  if (missing.length) return `missing field ${missing.join(", ")}`;
  const extra = Object.keys(fields).filter((name) => !expected.includes(name));
  return extra.length ? `unexpected field ${extra.join(", ")}` : null;
}
