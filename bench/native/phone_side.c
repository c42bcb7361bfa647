/* Twilio's end of the calls: connects, speaks all the time, plays what it gets and echoes marks.
 *
 * Messages as in https://www.twilio.com/docs/voice/media-streams/websocket-messages
 */
#include "generator.h"

#include <string.h>

uint64_t marks_received, clears_received;

static char frame_audio[(FRAME_BYTES + 2) / 3 * 4];

void phone_prepare(void)
{
    speech_base64(frame_audio, FRAME_BYTES, 1);
}

/* --- What the phone says --- */

static void say_start(struct call *call)
{
    websocket_send(&call->socket, "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}");
    int length = snprintf(
        websocket_compose(), MESSAGE_ROOM,
        "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"accountSid\":\"%s\",\"streamSid\":\"%s\","
        "\"callSid\":\"%s\",\"tracks\":[\"inbound\"],\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\","
        "\"sampleRate\":8000,\"channels\":1},\"customParameters\":{\"token\":\"%s\",\"caller\":\"+15550100001\","
        "\"called\":\"+15550100002\"}},\"streamSid\":\"%s\"}",
        options.account_sid, call->stream_sid, call->call_sid, call->token, call->stream_sid);
    websocket_send_composed(&call->socket, (size_t)length);
    call->sequence_number = 1;
}

static void say_frame(struct call *call)
{
    char *text = websocket_compose();
    /* Rounded up to the millisecond: Twilio's first frame never bears 0. */
    unsigned timestamp = (unsigned)((clock_ns() - call->streams_since) / MILLISECOND) + 1;
    int length = snprintf(text, MESSAGE_ROOM,
                          "{\"event\":\"media\",\"sequenceNumber\":\"%u\",\"media\":{\"track\":\"inbound\","
                          "\"chunk\":\"%u\",\"timestamp\":\"%u\",\"payload\":\"",
                          ++call->sequence_number, call->frames + 1, timestamp);
    char *audio = text + length, *end = audio + sizeof frame_audio;
    memcpy(audio, frame_audio, sizeof frame_audio);
    end += sprintf(end, "\"},\"streamSid\":\"%s\"}", call->stream_sid);
    struct stamp stamp = {call->number, call->frames++, clock_ns()};
    stamp_write(audio, &stamp);
    websocket_send_composed(&call->socket, (size_t)(end - text));
    if (!call->is_extra)
        direction_sent(&up, stamp.written_at);
}

static void frame_due(void *owner, uint64_t due)
{
    struct call *call = owner;
    if (call->is_over || !is_sending())
        return;
    say_frame(call);
    timer_add(next_beat(due, FRAME_NS, call->number, options.calls), frame_due, call);
}

static void echo_due(void *owner, uint64_t due)
{
    struct call *call = owner;
    (void)due;
    if (call->is_over)
        return;
    struct mark *mark = &call->marks[call->first_mark];
    call->first_mark = (call->first_mark + 1) % MARKS_MAX;
    call->mark_count--;
    int length = snprintf(websocket_compose(), MESSAGE_ROOM,
                          "{\"event\":\"mark\",\"sequenceNumber\":\"%u\",\"streamSid\":\"%s\","
                          "\"mark\":{\"name\":\"%s\"}}",
                          ++call->sequence_number, call->stream_sid, mark->name);
    websocket_send_composed(&call->socket, (size_t)length);
}

static void extra_is_over(void *owner, uint64_t due)
{
    (void)due;
    phone_hang_up(owner);
}

void phone_hang_up(struct call *call)
{
    if (call->is_over)
        return;
    call->is_over = true;
    int length = snprintf(websocket_compose(), MESSAGE_ROOM,
                          "{\"event\":\"stop\",\"sequenceNumber\":\"%u\",\"streamSid\":\"%s\","
                          "\"stop\":{\"accountSid\":\"%s\",\"callSid\":\"%s\"}}",
                          ++call->sequence_number, call->stream_sid, options.account_sid, call->call_sid);
    websocket_send_composed(&call->socket, (size_t)length);
    websocket_close(&call->socket);
}

/* --- What the phone hears --- */

static void audio_came(struct call *call, const char *audio, size_t chars, uint64_t read_at)
{
    struct stamp stamp;
    if (chars != base64_chars(DELTA_BYTES) || !stamp_read(audio, &stamp) || stamp.call != call->number) {
        down.unreadable++;
        return;
    }
    if (call->plays_until < read_at)
        call->plays_until = read_at;
    call->plays_until += DELTA_BYTES / BYTES_PER_MS * MILLISECOND;
    bool is_first = !call->heard.any;
    if (call->is_extra)
        arrivals_note(&call->heard, stamp.sequence);
    else
        direction_received(&down, &call->heard, &stamp, read_at);
    if (is_first)
        call_progressed(call);
}

/* The echo is owed when the audio before the mark was played. */
static void mark_came(struct call *call, const char *name, size_t length)
{
    marks_received++;
    if (length >= sizeof call->marks[0].name || call->mark_count == MARKS_MAX) {
        call_lost(call, "its marks were too many or too long");
        return;
    }
    struct mark *mark = &call->marks[(call->first_mark + call->mark_count++) % MARKS_MAX];
    memcpy(mark->name, name, length);
    mark->name[length] = '\0';
    timer_add(call->plays_until, echo_due, call);
}

static void phone_said(struct websocket *socket, const char *text, size_t length, uint64_t read_at)
{
    struct call *call = (struct call *)socket;
    size_t size;
    const char *value = json_string(text, length, "payload", &size);
    if (value)
        audio_came(call, value, size, read_at);
    else if ((value = json_string(text, length, "name", &size)) != NULL)
        mark_came(call, value, size);
    else if (json_mentions(text, length, "clear"))
        clears_received++;
    else
        call_lost(call, "the phone got a message that Twilio does not know");
}

/* --- The phone's socket --- */

static void phone_ready(struct websocket *socket)
{
    struct call *call = (struct call *)socket;
    uint64_t now = clock_ns();
    call->streams_since = now;
    say_start(call);
    timer_add(next_beat(now, FRAME_NS, call->number, options.calls), frame_due, call);
    if (call->is_extra)
        timer_add(now + options.extra_life_ns, extra_is_over, call);
}

static void phone_gone(struct websocket *socket, const char *why)
{
    call_lost((struct call *)socket, why);
}

static const struct websocket_events PHONE_EVENTS = {phone_ready, phone_said, phone_gone};

void phone_dial(struct call *call)
{
    char headers[256];
    snprintf(headers, sizeof headers, "X-Twilio-Signature: %s\r\n", options.signature);
    call->dialled_at = clock_ns();
    uint16_t port = options.is_direct ? options.model_port : options.bridge_port;
    websocket_connect(&call->socket, port, NULL, options.path, headers, &PHONE_EVENTS);
}
