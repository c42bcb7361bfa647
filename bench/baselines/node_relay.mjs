// A bridge as one would write it for speed of writing in Node.js: `ws` on both sides, JSON.parse and
// JSON.stringify for every message, a mark after every delta. It keeps no ledger and checks no signature,
// so it has less to do than callbridge.
//
// Fair to Node.js: `ws` masks and unmasks by its native add-on (bufferutil, worth 3 to 5 %), compression is off
// on both sides, the audio stays base64 text from end to end, UTF-8 is not validated, nothing is logged per
// message.

import { WebSocket, WebSocketServer } from "ws";

const { PORT, REALTIME_URL, OPENAI_API_KEY } = process.env;

const SESSION_UPDATE = JSON.stringify({
  type: "session.update",
  session: {
    type: "realtime",
    instructions: "Be brief.",
    output_modalities: ["audio"],
    audio: {
      input: { format: { type: "audio/pcmu" }, turn_detection: { type: "server_vad" } },
      output: { format: { type: "audio/pcmu" }, voice: "marin" },
    },
  },
});

function answer(phone) {
  let model = null;
  let streamSid = null;
  let isReady = false;
  let marks = 0;

  function heardFromModel(text) {
    const event = JSON.parse(text);
    switch (event.type) {
      case "response.output_audio.delta":
        phone.send(JSON.stringify({ event: "media", streamSid, media: { payload: event.delta } }));
        phone.send(JSON.stringify({ event: "mark", streamSid, mark: { name: String(++marks) } }));
        break;
      case "input_audio_buffer.speech_started":
        phone.send(JSON.stringify({ event: "clear", streamSid }));
        break;
      case "session.created":
        model.send(SESSION_UPDATE);
        break;
      case "session.updated":
        isReady = true;
        model.send(JSON.stringify({ type: "response.create" }));
        break;
      case "error":
        console.error("error of the model:", text.toString());
        break;
    }
  }

  function dial() {
    model = new WebSocket(`${REALTIME_URL}?model=gpt-realtime-2.1`, {
      headers: { Authorization: `Bearer ${OPENAI_API_KEY}` },
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    model.on("message", heardFromModel);
    model.on("close", () => phone.close());
    model.on("error", (error) => {
      console.error("model leg:", error.message);
      phone.close();
    });
  }

  phone.on("message", (text) => {
    const message = JSON.parse(text);
    switch (message.event) {
      case "media":
        if (isReady && model.readyState === WebSocket.OPEN) {
          model.send(JSON.stringify({ type: "input_audio_buffer.append", audio: message.media.payload }));
        }
        break;
      case "mark":
        break; // A relay that interrupts would note here what was heard.
      case "start":
        streamSid = message.start.streamSid;
        dial();
        break;
      case "stop":
        model?.close();
        break;
    }
  });
  phone.on("close", () => model?.close());
  phone.on("error", (error) => console.error("phone leg:", error.message));
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(PORT),
  perMessageDeflate: false,
  skipUTF8Validation: true,
});
server.on("connection", answer);
