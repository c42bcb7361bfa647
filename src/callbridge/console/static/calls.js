// The pages of calls: clocks that run, a transcript that stays at its end, and the player of a past call.
// What a live page shows comes from the server (htmx and its SSE extension).

const KEY_STEP_S = 5;

function clocks() {
  for (const clock of document.querySelectorAll(".clock[data-since]")) {
    const s = Math.max(0, Math.floor((Date.now() - Date.parse(clock.dataset.since)) / 1000));
    const text = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
    if (clock.textContent !== text) clock.textContent = text;
  }
}

function keepDown() {
  if (!document.getElementById("keep-down")?.checked) return;
  for (const id of ["transcript", "log"]) {
    const box = document.getElementById(id);
    if (box) box.scrollTop = box.scrollHeight;
  }
}

function openLive() {
  const first = document.querySelector("[data-opens-live] #live a");
  if (first) location.assign(first.href);
}

// --- A tab that nobody sees holds no connection: a browser has six for all of them. ---

let source = null;

document.addEventListener("htmx:sseOpen", (event) => {
  source = event.detail.source;
});

document.addEventListener("visibilitychange", () => {
  if (!document.querySelector("[sse-connect]")) return;
  if (document.hidden) {
    source?.close();
  } else if (source?.readyState === EventSource.CLOSED) {
    htmx.ajax("GET", location.pathname + location.search, { target: "#main", select: "#main > *" });
  }
});

// --- The player ---

class Player {
  constructor(root) {
    this.root = root;
    this.audio = root.querySelector("audio");
    this.picture = root.querySelector("svg.lanes");
    this.playhead = this.picture?.querySelector(".playhead");
    this.rows = [...root.querySelectorAll(".course > li.turn")];
    this.gains = null;
    if (!this.audio || !this.picture) return;
    this.wholeMs = Number(this.picture.dataset.wholeMs);
    this.audio.addEventListener("play", () => this.follow());
    for (const name of ["timeupdate", "seeked", "pause"]) this.audio.addEventListener(name, () => this.show());
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("change", (event) => {
      if (event.target.name === "solo") this.solo(event.target.value);
    });
  }

  seek(ms, play = false) {
    this.audio.currentTime = Math.min(Math.max(ms / 1000, 0), this.audio.duration || Infinity);
    if (play) this.audio.play();
    this.show();
  }

  clicked(event) {
    const placed = event.target.closest("button.seek, .turns a");
    if (placed) {
      this.seek(Number(placed.dataset.atMs), placed.matches("button.seek"));
      return; // A link leads to its turn as well.
    }
    if (this.picture.contains(event.target)) {
      const box = this.picture.getBoundingClientRect();
      this.seek(((event.clientX - box.left) / box.width) * this.wholeMs);
    }
  }

  follow() {
    this.show();
    if (!this.audio.paused) requestAnimationFrame(() => this.follow());
  }

  show() {
    const ms = this.audio.currentTime * 1000;
    const left = `${Math.min(100, (100 * ms) / this.wholeMs)}%`;
    this.playhead.removeAttribute("hidden");
    this.playhead.setAttribute("x1", left);
    this.playhead.setAttribute("x2", left);
    const box = this.picture.parentElement;
    if (!this.audio.paused && box.scrollWidth > box.clientWidth) {
      const x = (ms / this.wholeMs) * box.scrollWidth;
      if (x < box.scrollLeft || x > box.scrollLeft + 0.9 * box.clientWidth) box.scrollLeft = x - 0.1 * box.clientWidth;
    }
    const now = this.rows.findLast((row) => Number(row.dataset.atMs) <= ms + 50);
    if (now === this.row) return;
    this.row?.removeAttribute("aria-current");
    now?.setAttribute("aria-current", "true");
    this.row = now;
  }

  turn(step) {
    const at = this.audio.currentTime * 1000;
    const places = this.rows.map((row) => Number(row.dataset.atMs));
    const next = step > 0 ? places.find((ms) => ms > at + 100) : places.findLast((ms) => ms < at - 600);
    this.seek(next ?? (step > 0 ? at : 0));
  }

  // One side is heard in both ears.
  solo(who) {
    if (!this.gains) {
      const context = new AudioContext();
      const split = context.createChannelSplitter(2);
      const merge = context.createChannelMerger(2);
      context.createMediaElementSource(this.audio).connect(split);
      this.gains = [0, 1].map((from) =>
        [0, 1].map((to) => {
          const gain = context.createGain();
          split.connect(gain, from);
          gain.connect(merge, 0, to);
          return gain;
        }),
      );
      merge.connect(context.destination);
      this.audio.addEventListener("play", () => context.resume());
      context.resume();
    }
    for (const from of [0, 1])
      for (const to of [0, 1])
        this.gains[from][to].gain.value = who === "both" ? Number(from === to) : Number(from === (who === "agent" ? 1 : 0));
  }

  pressed(event) {
    const acts = {
      " ": () => (this.audio.paused ? this.audio.play() : this.audio.pause()),
      ArrowLeft: () => this.seek((this.audio.currentTime - KEY_STEP_S) * 1000),
      ArrowRight: () => this.seek((this.audio.currentTime + KEY_STEP_S) * 1000),
      j: () => this.turn(-1),
      k: () => this.turn(1),
      0: () => this.choose("both"),
      1: () => this.choose("caller"),
      2: () => this.choose("agent"),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  choose(who) {
    this.root.querySelector(`input[name="solo"][value="${who}"]`).checked = true;
    this.solo(who);
  }
}

let player = null;

document.addEventListener("keydown", (event) => {
  const isTaken = event.target.closest("input, select, textarea, button, a, summary, audio, [contenteditable]");
  if (!player?.audio || isTaken || event.ctrlKey || event.metaKey || event.altKey) return;
  player.pressed(event);
});

document.addEventListener("click", (event) => {
  const text = event.target.closest("[data-copy]")?.dataset.copy;
  if (text) navigator.clipboard.writeText(text).then(() => (event.target.textContent = "Copied"));
});

function begin() {
  const root = document.querySelector("[data-player]");
  if (root && root !== player?.root) player = new Player(root);
  clocks();
  keepDown();
}

setInterval(clocks, 1000);
document.addEventListener("htmx:sseMessage", () => {
  keepDown();
  openLive();
});
document.addEventListener("htmx:load", begin);
begin();
