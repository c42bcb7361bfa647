/* Sockets that never block: TCP on this machine, perhaps with TLS, and the epoll loop that drives them.
 *
 * A stream is part of whatever owns it and is never freed: a run is short and its streams are counted.
 * What cannot be written at once waits in the stream, up to a bound; a peer that lets it grow beyond
 * the bound has stopped reading and is gone.
 */
#ifndef BENCH_TRANSPORT_H
#define BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

struct stream_events {
    void (*opened)(struct stream *stream);
    /* New bytes stand between `in_begin` and `in_end`; the reader moves `in_begin`. */
    void (*readable)(struct stream *stream, uint64_t read_at);
    void (*gone)(struct stream *stream, const char *why);
};

enum stream_state { STREAM_CLOSED, STREAM_CONNECTING, STREAM_SHAKING_HANDS, STREAM_OPEN };

struct stream {
    const struct stream_events *events;
    enum stream_state state;
    int fd;
    void *tls; /* An SSL, or nothing. */
    bool waits_to_write;

    char *in;
    size_t in_begin, in_end, in_capacity;
    char *out;
    size_t out_begin, out_end, out_capacity;
};

/* Where one listens; `accepted` makes the owner of a new connection and answers its stream. */
struct listener {
    int fd;
    void *tls_context;
    struct stream *(*accepted)(void);
};

/* Sets up the loop, ignores SIGPIPE, allows as many files as the system does. */
void transport_begin(void);

/* Waits for at most `wait_ns` and handles what came. Answers when the wait was over. */
uint64_t transport_turn(uint64_t wait_ns);

/* Calls `readable` whenever `fd` (standard input) can be read; NULL stops that. */
void transport_watch(int fd, void (*readable)(void));

/* TLS with this certificate and key (PEM), or trusting this certificate. Ends the process when that cannot be. */
void *tls_server_context(const char *certificate, const char *key);
void *tls_client_context(const char *trusted);

/* Listens on loopback; ends the process when that cannot be. */
void listener_open(struct listener *listener, uint16_t port, void *tls_context, struct stream *(*accepted)(void));

/* The answer may come before the call returns. `tls_context` NULL: no TLS. */
void stream_connect(struct stream *stream, uint16_t port, void *tls_context, const struct stream_events *events);

void stream_write(struct stream *stream, const char *bytes, size_t count);

/* Closes at once, without a word to the owner. Safe on a closed one. */
void stream_close(struct stream *stream);

/* Says why on standard error and ends the process: for what the driver must repair. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
