// What the page of the phone shows. Nothing here knows of calls.

const KEPT = "callbridge.talk";
const QUIETEST_DB = -50;
const NOTES_MAX = 400;

export class View {
  constructor(root) {
    this.root = root;
    this.began = null;
    this.clock = null;
    this.part = (name) => document.getElementById(name);
    this.recall();
  }

  // --- States ---

  calling() {
    this.state("Calling …");
    this.part("notes").replaceChildren();
    this.part("watch").hidden = true;
    this.begin();
    this.switch({ isLive: true, hasStream: false });
    this.part("hang-up").focus();
  }

  live(callSid) {
    this.state("In the call");
    this.switch({ isLive: true, hasStream: true });
    const watch = this.part("watch");
    if (watch.dataset.path) {
      watch.href = watch.dataset.path.replace("SID", callSid);
      watch.hidden = false;
    }
  }

  over(status) {
    this.state(`The call is over: ${status}`);
    clearInterval(this.clock);
    this.part("choices").replaceChildren();
    this.switch({ isLive: false, hasStream: false });
    this.levels(0, 0);
    const focused = document.activeElement;
    if (!focused || focused === document.body || focused.hidden || focused.disabled) this.part("call").focus();
  }

  state(words) {
    this.part("state").textContent = words;
  }

  switch({ isLive, hasStream }) {
    this.part("call").hidden = isLive;
    this.part("hang-up").hidden = !isLive;
    this.part("keypad").disabled = !isLive;
    for (const name of ["say", "sentence"]) this.part(name).disabled = !hasStream;
  }

  begin() {
    this.began = performance.now();
    clearInterval(this.clock);
    this.clock = setInterval(() => (this.part("time").textContent = this.age()), 500);
    this.part("time").textContent = this.age();
  }

  age() {
    const seconds = Math.floor((performance.now() - this.began) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  // --- What happens ---

  note(words, kind = "") {
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = this.began === null ? "" : this.age();
    const text = document.createElement("span");
    text.textContent = words;
    text.className = kind;
    item.append(time, text);
    const notes = this.part("notes");
    notes.append(item);
    while (notes.children.length > NOTES_MAX) notes.firstChild.remove();
    this.toEnd();
    return item;
  }

  /** A piece of what somebody says: behind the pieces before it. */
  said(by, item, words) {
    const known = this.part("notes").querySelector(`[data-item="${CSS.escape(item)}"]`);
    if (known) known.lastChild.textContent += words;
    else this.note(`${by === "agent" ? "Agent" : "You"}: ${words.trimStart()}`, by).dataset.item = item;
    this.toEnd();
  }

  toEnd() {
    const notes = this.part("notes");
    notes.scrollTop = notes.scrollHeight;
  }

  pressed(digit) {
    this.note(`You press ${digit}`, "caller");
    const key = this.root.querySelector(`#keypad button[value="${digit}"]`);
    key.classList.add("pressed");
    setTimeout(() => key.classList.remove("pressed"), 150);
  }

  choose(text, choices, chosen) {
    this.state(text);
    const buttons = choices.map(([value, words]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.addEventListener("click", () => {
        this.part("choices").replaceChildren();
        this.note(`${text} ${words}.`);
        chosen(value);
      });
      return button;
    });
    this.part("choices").replaceChildren(...buttons);
    buttons[0].focus();
  }

  levels(said, heard) {
    this.part("said").value = loudness(said);
    this.part("heard").value = loudness(heard);
  }

  // --- What is set ---

  numbers() {
    return { caller: this.part("caller").value.trim(), called: this.part("called").value.trim() };
  }

  microphone() {
    const checked = (name) => this.part(name).checked;
    return {
      device: this.part("device").value,
      echo: checked("echo"),
      noise: checked("noise"),
      gain: checked("gain"),
    };
  }

  devices(found) {
    const list = this.part("device");
    const chosen = list.value || this.kept().device || "";
    const options = found.map((device, place) => {
      const option = document.createElement("option");
      option.value = device.deviceId;
      option.textContent = device.label || `Microphone ${place + 1}`;
      return option;
    });
    list.replaceChildren(list.options[0], ...options);
    list.value = options.some((option) => option.value === chosen) ? chosen : "";
  }

  keep() {
    localStorage.setItem(KEPT, JSON.stringify({ ...this.microphone(), ...this.numbers() }));
  }

  kept() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) ?? {};
    } catch {
      return {};
    }
  }

  recall() {
    const kept = this.kept();
    for (const name of ["echo", "noise", "gain"]) if (name in kept) this.part(name).checked = kept[name];
    for (const name of ["caller", "called"]) if (kept[name]) this.part(name).value = kept[name];
  }
}

/** From a peak between 0 and 1, as an ear judges it: in decibels. */
function loudness(peak) {
  return peak > 0 ? Math.max(0, 1 - (20 * Math.log10(peak)) / QUIETEST_DB) : 0;
}
