/* WebSocket (RFC 6455) as far as two well-behaved peers need it: text frames, ping, close, the handshake.
 *
 * No fragments, no extensions, no binary frames: a peer that sends one is reported as gone, with the reason.
 */
#ifndef BENCH_WEBSOCKET_H
#define BENCH_WEBSOCKET_H

#include "transport.h"

struct websocket;

struct websocket_events {
    /* The handshake is done; messages may be sent. */
    void (*ready)(struct websocket *socket);
    /* `text` is valid until the call returns, and is not ended by a zero. */
    void (*said)(struct websocket *socket, const char *text, size_t length, uint64_t read_at);
    void (*gone)(struct websocket *socket, const char *why);
};

struct websocket {
    struct stream stream; /* First, so that a stream's address is its socket's. */
    const struct websocket_events *events;
    bool is_client;
    bool is_ready;
    const char *request; /* A client's upgrade request, until it is sent. */
};

#define MESSAGE_ROOM (64 * 1024)

/* Connects to this port and asks for an upgrade with `path` and further `headers`, each ended by \r\n. */
void websocket_connect(struct websocket *socket, uint16_t port, void *tls_context, const char *path,
                       const char *headers, const struct websocket_events *events);

/* Prepares a socket for a connection that is about to be accepted; answers the stream for the listener. */
struct stream *websocket_accept(struct websocket *socket, const struct websocket_events *events);

/* Where the next message may be composed, MESSAGE_ROOM bytes; then `websocket_send_composed` sends it. */
char *websocket_compose(void);
void websocket_send_composed(struct websocket *socket, size_t length);

/* Sends a text that is ended by a zero. */
void websocket_send(struct websocket *socket, const char *text);

/* Sends a close frame with 1000. The peer's answer closes the socket. */
void websocket_close(struct websocket *socket);

/* --- JSON, as far as it is needed here --- */

/* The string that belongs to `name`, wherever in `text`; NULL when there is none. Escapes are left as they are. */
const char *json_string(const char *text, size_t length, const char *name, size_t *value_length);

/* Whether `text` contains the JSON string `word`, as a name or as a value. */
bool json_mentions(const char *text, size_t length, const char *word);

#endif
