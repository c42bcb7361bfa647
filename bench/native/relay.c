/* A bridge that does nothing but copy: what the machine allows at most.
 *
 * It finds the audio in a message of one side and puts it into a message of the other, with a mark after
 * every delta. No signature, no token, no ledger, no log, no limit.
 */
#include "measure.h"
#include "websocket.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    struct websocket phone; /* First: a phone socket's address is its pair's. */
    struct websocket model;
    char stream_sid[64];
    bool takes_audio; /* The model has confirmed the session. */
    unsigned marks;
};

static uint16_t port, model_port;
static void *tls_context;

static struct pair *pair_of_model(struct websocket *socket)
{
    return (struct pair *)((char *)socket - offsetof(struct pair, model));
}

static void send_around(struct websocket *socket, const char *before, const char *audio, size_t chars,
                        const char *after)
{
    char *text = websocket_compose(), *end = stpcpy(text, before);
    if ((size_t)(end - text) + chars + strlen(after) >= MESSAGE_ROOM)
        return;
    memcpy(end, audio, chars);
    end = stpcpy(end + chars, after);
    websocket_send_composed(socket, (size_t)(end - text));
}

/* --- The model leg --- */

static void play(struct pair *pair, const char *audio, size_t chars)
{
    char before[128];
    snprintf(before, sizeof before, "{\"event\":\"media\",\"streamSid\":\"%s\",\"media\":{\"payload\":\"",
             pair->stream_sid);
    send_around(&pair->phone, before, audio, chars, "\"}}");
    int length = snprintf(websocket_compose(), MESSAGE_ROOM,
                          "{\"event\":\"mark\",\"streamSid\":\"%s\",\"mark\":{\"name\":\"%u\"}}", pair->stream_sid,
                          ++pair->marks);
    websocket_send_composed(&pair->phone, (size_t)length);
}

static void model_said(struct websocket *socket, const char *text, size_t length, uint64_t read_at)
{
    struct pair *pair = pair_of_model(socket);
    size_t chars;
    const char *audio = json_string(text, length, "delta", &chars);
    (void)read_at;
    if (audio) {
        play(pair, audio, chars);
    } else if (json_mentions(text, length, "session.created")) {
        websocket_send(socket, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{\"input\":{"
                               "\"format\":{\"type\":\"audio/pcmu\"}},\"output\":{\"format\":{\"type\":\"audio/pcmu\"},"
                               "\"voice\":\"marin\"}}}}");
    } else if (json_mentions(text, length, "session.updated")) {
        pair->takes_audio = true;
        websocket_send(socket, "{\"type\":\"response.create\"}");
    }
}

static void model_gone(struct websocket *socket, const char *why)
{
    (void)why;
    websocket_close(&pair_of_model(socket)->phone);
}

static void nothing(struct websocket *socket)
{
    (void)socket;
}

static const struct websocket_events MODEL_EVENTS = {nothing, model_said, model_gone};

/* --- The phone leg --- */

static void begin(struct pair *pair, const char *text, size_t length)
{
    size_t chars;
    const char *stream_sid = json_string(text, length, "streamSid", &chars);
    if (!stream_sid || chars >= sizeof pair->stream_sid)
        return;
    memcpy(pair->stream_sid, stream_sid, chars);
    websocket_connect(&pair->model, model_port, tls_context, "/v1/realtime?model=gpt-realtime-2.1",
                      "Authorization: Bearer sk-bench\r\n", &MODEL_EVENTS);
}

static void phone_said(struct websocket *socket, const char *text, size_t length, uint64_t read_at)
{
    struct pair *pair = (struct pair *)socket;
    size_t chars;
    const char *audio = json_string(text, length, "payload", &chars);
    (void)read_at;
    if (audio && pair->takes_audio)
        send_around(&pair->model, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"", audio, chars, "\"}");
    else if (!audio && !*pair->stream_sid && json_mentions(text, length, "start"))
        begin(pair, text, length);
}

static void phone_gone(struct websocket *socket, const char *why)
{
    (void)why;
    websocket_close(&((struct pair *)socket)->model);
}

static const struct websocket_events PHONE_EVENTS = {nothing, phone_said, phone_gone};

static struct stream *phone_accepted(void)
{
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        die("out of memory");
    return websocket_accept(&pair->phone, &PHONE_EVENTS);
}

/* --- The start --- */

static uint16_t port_number(const char *text)
{
    long value = strtol(text, NULL, 10);
    if (value <= 0 || value > UINT16_MAX)
        die("not a port: %s", text);
    return (uint16_t)value;
}

static const struct option LONG_OPTIONS[] = {
    {"port", required_argument, NULL, 'p'},
    {"model-port", required_argument, NULL, 'm'},
    {"trust", required_argument, NULL, 't'},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
    static struct listener listener;
    for (int letter; (letter = getopt_long(argc, argv, "", LONG_OPTIONS, NULL)) != -1;) {
        switch (letter) {
        case 'p': port = port_number(optarg); break;
        case 'm': model_port = port_number(optarg); break;
        case 't': tls_context = tls_client_context(optarg); break;
        default: die("usage: relay --port P --model-port P [--trust certificate.pem]");
        }
    }
    if (!port || !model_port)
        die("--port and --model-port are needed");
    transport_begin();
    listener_open(&listener, port, NULL, phone_accepted);
    for (;;)
        transport_turn(SECOND);
}
