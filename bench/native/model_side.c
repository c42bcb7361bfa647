/* The Realtime API's end of the calls: takes the session, hears all the time, speaks all the time.
 *
 * Events as in https://developers.openai.com/api/docs/guides/realtime-conversations (GA).
 * The bridge must ask for a response once; the response then never ends.
 */
#include "generator.h"

#include <stdlib.h>
#include <string.h>

struct session {
    struct websocket socket; /* First, so that a socket's address is its session's. */
    struct call *call;       /* Known from the first stamp. */
    struct arrivals heard;
    uint32_t number;
    uint32_t deltas; /* Sent so far */
    bool is_asked;   /* A response is wanted. */
    bool speaks;
};

static char delta_audio[(DELTA_BYTES + 2) / 3 * 4];
static uint32_t session_count;

#define SESSION_TEXT                                                                                               \
    "\"session\":{\"type\":\"realtime\",\"object\":\"realtime.session\",\"id\":\"sess_%021u\","                    \
    "\"model\":\"gpt-realtime-2.1\",\"output_modalities\":[\"audio\"],\"instructions\":\"Be brief.\",\"tools\":[]," \
    "\"tool_choice\":\"auto\",\"max_output_tokens\":\"inf\",\"tracing\":null,\"truncation\":\"auto\","             \
    "\"prompt\":null,\"expires_at\":4102444800,\"audio\":{\"input\":{\"format\":{%s},\"transcription\":null,"      \
    "\"noise_reduction\":null,\"turn_detection\":{\"type\":\"server_vad\",\"threshold\":0.5,"                      \
    "\"prefix_padding_ms\":300,\"silence_duration_ms\":500,\"idle_timeout_ms\":null,\"create_response\":true,"     \
    "\"interrupt_response\":true}},\"output\":{\"format\":{%s},\"voice\":\"marin\",\"speed\":1.0}},"               \
    "\"include\":null}"

#define PCM "\"type\":\"audio/pcm\",\"rate\":24000"
#define PCMU "\"type\":\"audio/pcmu\""

/* --- What the model says --- */

static void say_session(struct session *session, const char *type, const char *format)
{
    int length = snprintf(websocket_compose(), MESSAGE_ROOM,
                          "{\"type\":\"%s\",\"event_id\":\"event_%021u\"," SESSION_TEXT "}", type, session->number,
                          session->number, format, format);
    websocket_send_composed(&session->socket, (size_t)length);
}

static void say_item(struct session *session, const char *begin)
{
    int length = snprintf(websocket_compose(), MESSAGE_ROOM,
                          "{%s,\"event_id\":\"event_%021u\",\"item\":{\"id\":\"item_%021u\","
                          "\"object\":\"realtime.item\",\"type\":\"message\",\"status\":\"in_progress\","
                          "\"role\":\"assistant\",\"content\":[]}}",
                          begin, session->number, session->number);
    websocket_send_composed(&session->socket, (size_t)length);
}

static void say_response(struct session *session)
{
    char output[128];
    int length = snprintf(websocket_compose(), MESSAGE_ROOM,
                          "{\"type\":\"response.created\",\"event_id\":\"event_%021u\",\"response\":{"
                          "\"object\":\"realtime.response\",\"id\":\"resp_%021u\",\"status\":\"in_progress\","
                          "\"status_details\":null,\"output\":[],\"conversation_id\":\"conv_%021u\","
                          "\"output_modalities\":[\"audio\"],\"max_output_tokens\":\"inf\",\"audio\":{\"output\":{"
                          "\"format\":{" PCMU "},\"voice\":\"marin\"}},\"usage\":null,\"metadata\":null}}",
                          session->number, session->number, session->number);
    websocket_send_composed(&session->socket, (size_t)length);
    snprintf(output, sizeof output,
             "\"type\":\"response.output_item.added\",\"response_id\":\"resp_%021u\",\"output_index\":0",
             session->number);
    say_item(session, output);
    say_item(session, "\"type\":\"conversation.item.added\",\"previous_item_id\":null");
}

/* With no bridge between, the model side speaks as a bridge would to Twilio. */
static int begin_delta(const struct session *session, char *text)
{
    if (options.is_direct)
        return snprintf(text, MESSAGE_ROOM, "{\"event\":\"media\",\"streamSid\":\"%s\",\"media\":{\"payload\":\"",
                        session->call->stream_sid);
    return snprintf(text, MESSAGE_ROOM,
                    "{\"type\":\"response.output_audio.delta\",\"event_id\":\"event_%021u\","
                    "\"response_id\":\"resp_%021u\",\"item_id\":\"item_%021u\",\"output_index\":0,"
                    "\"content_index\":0,\"delta\":\"",
                    session->deltas, session->number, session->number);
}

static void say_delta(struct session *session)
{
    char *text = websocket_compose();
    char *audio = text + begin_delta(session, text);
    char *end = audio + sizeof delta_audio;
    memcpy(audio, delta_audio, sizeof delta_audio);
    end += sprintf(end, "%s", options.is_direct ? "\"}}" : "\"}");
    struct stamp stamp = {session->call->number, session->deltas++, clock_ns()};
    stamp_write(audio, &stamp);
    websocket_send_composed(&session->socket, (size_t)(end - text));
    if (!session->call->is_extra)
        direction_sent(&down, stamp.written_at);
}

static void say_direct_mark(struct session *session)
{
    int length = snprintf(websocket_compose(), MESSAGE_ROOM,
                          "{\"event\":\"mark\",\"streamSid\":\"%s\",\"mark\":{\"name\":\"%u\"}}",
                          session->call->stream_sid, session->deltas);
    websocket_send_composed(&session->socket, (size_t)length);
}

static void delta_due(void *owner, uint64_t due)
{
    struct session *session = owner;
    if (session->call->is_over || !is_sending())
        return;
    say_delta(session);
    if (options.is_direct)
        say_direct_mark(session);
    timer_add(next_beat(due, DELTA_NS, session->call->number, options.calls), delta_due, session);
}

static void speak_if_wanted(struct session *session)
{
    if (session->speaks || !session->is_asked || !session->call)
        return;
    session->speaks = true;
    uint64_t now = clock_ns();
    say_delta(session); /* At once, so that the length of a set-up is not rounded up to the beat. */
    timer_add(next_beat(now, DELTA_NS, session->call->number, options.calls), delta_due, session);
}

/* --- What the model hears --- */

static void audio_came(struct session *session, const char *audio, size_t chars, uint64_t read_at)
{
    struct stamp stamp;
    struct call *call;
    if (chars != base64_chars(FRAME_BYTES) || !stamp_read(audio, &stamp) || (call = call_of(stamp.call)) == NULL ||
        (session->call && session->call != call)) {
        up.unreadable++;
        return;
    }
    if (call->is_extra)
        arrivals_note(&session->heard, stamp.sequence);
    else
        direction_received(&up, &session->heard, &stamp, read_at);
    if (session->call)
        return;
    session->call = call;
    call->session = session;
    call_progressed(call);
    speak_if_wanted(session);
}

static void model_said(struct websocket *socket, const char *text, size_t length, uint64_t read_at)
{
    struct session *session = (struct session *)socket;
    size_t size;
    const char *audio = json_string(text, length, options.is_direct ? "payload" : "audio", &size);
    if (audio) {
        audio_came(session, audio, size, read_at);
    } else if (json_mentions(text, length, "session.update")) {
        say_session(session, "session.updated", PCMU);
    } else if (!session->is_asked && json_mentions(text, length, options.is_direct ? "start" : "response.create")) {
        session->is_asked = true;
        if (!options.is_direct)
            say_response(session);
        speak_if_wanted(session);
    }
}

/* --- The model's socket --- */

static void model_ready(struct websocket *socket)
{
    struct session *session = (struct session *)socket;
    if (!options.is_direct)
        say_session(session, "session.created", PCM);
}

static void model_gone(struct websocket *socket, const char *why)
{
    struct session *session = (struct session *)socket;
    if (session->call)
        call_lost(session->call, why);
    else
        session_lost(why);
}

static const struct websocket_events MODEL_EVENTS = {model_ready, model_said, model_gone};

static struct stream *model_accepted(void)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        die("out of memory");
    session->number = ++session_count;
    return websocket_accept(&session->socket, &MODEL_EVENTS);
}

void model_prepare(void)
{
    static struct listener listener;
    void *tls = options.certificate ? tls_server_context(options.certificate, options.key) : NULL;
    speech_base64(delta_audio, DELTA_BYTES, 2);
    listener_open(&listener, options.model_port, tls, model_accepted);
}
