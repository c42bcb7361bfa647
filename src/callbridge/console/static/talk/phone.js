// The browser phone: what Twilio does in a call, as far as a browser can, with the page's buttons.

import { MediaStream as Stream } from "./media-stream.js";
import { Microphone } from "./microphone.js";
import { fromBase64 } from "./mulaw.js";
import { View } from "./view.js";

const KEYS = "0123456789*#";
const SOUND_WITHIN_MS = 4000;
const WORKLET = new URL("./phone-worklet.js", import.meta.url);

class Phone {
  constructor(view, places) {
    this.view = view;
    this.places = places; // Where the socket is, and how its protocols are named.
    this.line = null; // Until both of these stand.
    this.context = null;
    this.telephone = null; // The node on the audio thread.
    this.microphone = null;
    this.microphones = 0; // How often one was asked for.
    this.callSid = null;
    this.stream = null;
    this.socket = null;
    this.attempt = 0; // Goes up with every call: what comes late of an earlier one is passed over.
    this.isOffHook = false; // From the button on, until the call is over.
    this.isMuted = false;
    this.isLeaving = false;
    this.waiting = null; // The timer of a turn.
    this.keys = ""; // Pressed while there is no stream: for a <Gather>.
    this.asked = null; // The turn of one.
    this.words = null; // What both sides say, as it comes.
  }

  // --- The caller ---

  async call() {
    const attempt = ++this.attempt;
    const isThis = () => this.isOffHook && attempt === this.attempt;
    this.isLeaving = false;
    this.isOffHook = true;
    this.view.calling();
    try {
      await this.pickUp();
      if (!isThis()) return;
      const turn = await this.ask("/talk/calls", this.view.numbers());
      if (isThis()) await this.do(turn);
      else await this.ask(`/talk/calls/${turn.call_sid}/hang-up`);
    } catch (error) {
      if (isThis()) this.fail(error);
    }
  }

  async hangUp() {
    if (this.isLeaving) return;
    this.isLeaving = true;
    clearTimeout(this.waiting);
    this.leaveStream();
    if (this.callSid === null) return this.over("canceled");
    try {
      await this.do(await this.ask(`/talk/calls/${this.callSid}/hang-up`));
    } catch (error) {
      this.fail(error);
    }
  }

  /** The page is left: nobody is there to wait for an answer. */
  leave() {
    if (this.callSid === null) return;
    this.leaveStream();
    fetch(`/talk/calls/${this.callSid}/hang-up`, { method: "POST", keepalive: true });
  }

  press(digit) {
    if (this.callSid === null || !digit || !KEYS.includes(digit)) return;
    this.view.pressed(digit);
    this.tell({ event: "key", digit });
    if (this.stream) return this.stream.press(digit);
    this.keys += digit;
    if (this.asked) this.gather(this.asked);
  }

  mute(isMuted) {
    this.isMuted = isMuted;
    this.telephone?.port.postMessage({ muted: isMuted });
  }

  async say(text) {
    if (!this.stream) return;
    const answer = await this.post("/talk/speech", { text });
    const audio = new Uint8Array(await answer.arrayBuffer());
    if (!audio.length) return this.view.note("Nothing in it can be spoken.", "bad");
    this.telephone.port.postMessage({ say: audio });
    this.view.note(`You type: ${text}`, "caller");
    this.tell({ event: "typed", bytes: audio.length });
  }

  /** The microphone that is chosen, as it is to be; in a call alone. Asked again it closes what it has. */
  async useMicrophone() {
    if (!this.isOffHook || !this.context) return;
    this.microphone?.close();
    this.microphone = null;
    const turn = ++this.microphones;
    const wanted = this.view.microphone();
    const found = await Microphone.open(wanted);
    const listed = await Microphone.list();
    if (!this.isOffHook || turn !== this.microphones) return found.close(); // Put down, or asked again.
    this.view.devices(listed);
    // Which ones there are is known once one was allowed: the one of the last time, or no more the one that was.
    if (this.view.microphone().device !== wanted.device) {
      found.close();
      return this.useMicrophone();
    }
    this.microphone = found;
    if (found.fault) this.view.note(found.fault, "bad");
    else found.connect(this.context, this.telephone, () => this.useMicrophone());
  }

  // --- The line ---

  async pickUp() {
    this.line ??= this.openLine().catch((error) => {
      this.line = null;
      throw error;
    });
    await this.line;
    const late = new Promise((resolve) => setTimeout(resolve, SOUND_WITHIN_MS));
    await Promise.race([this.context.resume(), late]);
    if (this.context.state !== "running") throw new Error("The browser starts no sound: is there an output?");
    await this.useMicrophone();
  }

  async openLine() {
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(WORKLET);
    this.telephone = new AudioWorkletNode(context, "telephone", {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this.telephone.port.onmessage = ({ data }) => this.told(data);
    this.telephone.connect(context.destination);
    this.context = context;
    this.mute(this.isMuted); // The button may be pressed before the first call.
  }

  /** The audio thread tells. */
  told(data) {
    switch (data.event) {
      case "frame":
        if (this.isOpen()) this.stream.media(data.frame);
        return;
      case "level":
        this.view.levels(data.said, data.heard);
        return;
      case "mark":
        if (this.isOpen()) this.stream.mark(data.name);
        break;
      case "cleared":
        if (data.discarded) this.view.note(`Interrupted: ${(data.discarded / 8000).toFixed(2)} s were not heard`);
        break;
      case "full":
        this.view.note("Twilio warns 31931: more than ten minutes wait to be played", "bad");
        break;
    }
    this.tell(data);
  }

  isOpen() {
    return this.stream !== null && this.socket?.readyState === WebSocket.OPEN;
  }

  // --- Turn by turn ---

  async do(turn) {
    for (const note of turn.notes ?? []) this.view.note(note, note.startsWith("Twilio warns") ? "bad" : "");
    this.tell({ event: "turn", do: turn.do });
    if (turn.do === "over") return this.over(turn.status);
    this.callSid = turn.call_sid;
    if (this.isLeaving) return;
    switch (turn.do) {
      case "stream":
        return this.openStream(turn);
      case "hear":
        return this.hear(turn);
      case "wait":
        this.view.state("Nothing is to be heard");
        return this.after(turn.seconds);
      case "press":
        this.view.state("Press keys");
        return this.gather(turn);
      case "choose":
        return this.view.choose(turn.text, turn.choices, (chosen) => this.next(chosen));
    }
  }

  hear(turn) {
    this.view.state("Twilio's voice speaks");
    this.view.note(`Twilio says: ${turn.text}`, "agent");
    const audio = turn.audio ? fromBase64(turn.audio) : new Uint8Array(0);
    this.telephone.port.postMessage({ audio });
    return this.after(audio.length ? audio.length / 8000 : turn.seconds);
  }

  /** Keys, until there are enough of them, one that ends it, or none for a while. */
  gather(turn) {
    this.asked = turn;
    clearTimeout(this.waiting);
    const enter = () => {
      const keys = this.keys;
      this.keys = "";
      this.asked = null;
      this.next(keys);
    };
    const isDone = this.keys.length >= turn.keys_max || turn.finish_keys.includes(this.keys.at(-1) ?? " ");
    if (isDone) enter();
    else this.waiting = setTimeout(enter, turn.seconds * 1000);
  }

  after(seconds) {
    this.waiting = setTimeout(() => this.next(""), seconds * 1000);
  }

  async next(chosen) {
    try {
      await this.do(await this.ask(`/talk/calls/${this.callSid}/done`, { chosen }));
    } catch (error) {
      this.fail(error);
    }
  }

  // --- The stream ---

  /** What both sides say is written down as it comes. */
  listen(callSid) {
    if (this.words) return;
    this.words = new EventSource(`/talk/calls/${callSid}/words`);
    const on = (name, act) => this.words.addEventListener(name, ({ data }) => act(JSON.parse(data)));
    on("said", ({ by, item, words }) => this.view.said(by, item, words));
    on("used", ({ tool, outcome }) => this.view.note(`The agent uses ${tool}: ${outcome}`));
    this.words.onerror = () => {
      this.words?.close();
      this.words = null;
    };
  }

  openStream(turn) {
    this.listen(turn.call_sid);
    const { mediaPath, mediaProtocol, tokenProtocol } = this.places;
    const url = new URL(mediaPath, location.href.replace(/^http/, "ws"));
    const socket = new WebSocket(url, [mediaProtocol, tokenProtocol + turn.token]);
    this.socket = socket;
    this.stream = new Stream(turn, (text) => socket.send(text));
    socket.onopen = () => {
      this.telephone.port.postMessage({ reset: true });
      this.stream.open();
      this.telephone.port.postMessage({ line: true });
      this.view.live(turn.call_sid);
      this.tell({ event: "stream", streamSid: turn.stream_sid });
    };
    socket.onmessage = ({ data }) => {
      const read = this.stream?.read(data);
      if (!read) return;
      if (read.warning) this.view.note(`Twilio warns ${read.warning}`, "bad");
      else this.telephone.port.postMessage(read);
      this.tell(read.audio ? { event: "audio", bytes: read.audio.length } : { event: "message", ...read });
    };
    socket.onclose = ({ code }) => {
      if (this.socket !== socket) return;
      this.closeStream();
      this.view.note(`The stream ends (close code ${code})`);
      if (!this.isLeaving) this.next("");
    };
  }

  leaveStream() {
    if (this.isOpen()) this.stream.stop();
    const socket = this.socket;
    this.closeStream();
    socket?.close(1000);
  }

  closeStream() {
    this.telephone?.port.postMessage({ line: false });
    this.telephone?.port.postMessage({ reset: true });
    this.stream = null;
    this.socket = null;
    this.keys = "";
  }

  over(status) {
    this.isOffHook = false;
    clearTimeout(this.waiting);
    this.asked = null;
    this.words?.close();
    this.words = null;
    this.closeStream();
    this.microphone?.close();
    this.microphone = null;
    this.context?.suspend();
    this.callSid = null;
    this.view.over(status);
    this.tell({ event: "over", status });
  }

  fail(error) {
    this.view.note(String(error.message ?? error), "bad");
    this.isLeaving = true;
    this.over("failed");
  }

  // --- The server ---

  async ask(path, body = {}) {
    return (await this.post(path, body)).json();
  }

  async post(path, body) {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`callbridge dev answers ${answer.status} ${answer.statusText}`);
    return answer;
  }

  /** For whoever watches the page. */
  tell(detail) {
    document.dispatchEvent(new CustomEvent("phone", { detail }));
  }
}

const root = document.getElementById("phone");
const phone = new Phone(new View(root), root.dataset);
const on = (name, event, act) => document.getElementById(name).addEventListener(event, act);

on("call", "click", () => phone.call());
on("hang-up", "click", () => phone.hangUp());
on("mute", "click", ({ currentTarget }) => {
  const isMuted = currentTarget.getAttribute("aria-pressed") !== "true";
  currentTarget.setAttribute("aria-pressed", String(isMuted));
  phone.mute(isMuted);
});
on("keypad", "click", ({ target }) => phone.press(target.closest("button")?.value ?? ""));
on("typing", "submit", (event) => {
  event.preventDefault();
  const box = document.getElementById("sentence");
  if (box.value.trim()) phone.say(box.value.trim()).catch((error) => phone.view.note(error.message, "bad"));
  box.value = "";
});
on("line-settings", "change", ({ target }) => {
  phone.view.keep();
  if (target.dataset.microphone !== undefined) phone.useMicrophone();
});
root.addEventListener("keydown", (event) => {
  const isWriting = event.target.closest("input[type=text], select");
  if (isWriting || event.ctrlKey || event.metaKey || event.altKey || !KEYS.includes(event.key)) return;
  event.preventDefault();
  phone.press(event.key);
});
addEventListener("pagehide", () => phone.leave());
addEventListener("beforeunload", (event) => phone.callSid !== null && event.preventDefault());
navigator.mediaDevices?.addEventListener("devicechange", async () => {
  phone.view.devices(await Microphone.list());
});

// Not before all of this stands: a click on "Mute" that nobody takes would leave a microphone open that is thought shut.
for (const name of ["call", "mute"]) document.getElementById(name).disabled = false;
