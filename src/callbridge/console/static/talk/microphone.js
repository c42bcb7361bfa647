// The microphone: which one, and what the browser does with it before it is heard.

export class Microphone {
  /** One that is open, or the reason why none is, in words. */
  static async open({ device, echo, noise, gain }) {
    const audio = {
      echoCancellation: echo,
      noiseSuppression: noise,
      autoGainControl: gain,
      channelCount: 1,
      ...(device ? { deviceId: { exact: device } } : {}),
    };
    if (!navigator.mediaDevices) return new Microphone(null, "This browser gives no microphone to this page.");
    try {
      return new Microphone(await navigator.mediaDevices.getUserMedia({ audio }), "");
    } catch (error) {
      return new Microphone(null, `${reason(error)} You can type instead.`);
    }
  }

  /** Those that there are; their names are known once one was allowed. */
  static async list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return devices.filter((device) => device.kind === "audioinput" && device.deviceId);
  }

  constructor(media, fault) {
    this.media = media;
    this.fault = fault;
    this.source = null;
  }

  /** To a node, until it is closed. `lost` is called when it is unplugged, or not allowed any more. */
  connect(context, node, lost) {
    this.source = context.createMediaStreamSource(this.media);
    this.source.connect(node);
    for (const track of this.media.getTracks()) track.onended = lost;
  }

  close() {
    this.source?.disconnect();
    for (const track of this.media?.getTracks() ?? []) track.stop();
  }
}

function reason(error) {
  switch (error.name) {
    case "NotAllowedError":
      return "The microphone was not allowed.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "That microphone is not there.";
    case "NotReadableError":
      return "Another program has the microphone.";
    default:
      return `No microphone: ${error.message}.`;
  }
}
