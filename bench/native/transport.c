/* See transport.h. */
#include "transport.h"

#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

/* Few at a time, so that timers are looked at between them and a busy turn makes nobody late. */
#define EVENTS_A_TURN 16
#define IN_CAPACITY (16 * 1024)
#define IN_CAPACITY_MAX (4 * 1024 * 1024)
#define OUT_CAPACITY_MAX (1024 * 1024)

enum watched { WATCHED_STREAM, WATCHED_LISTENER, WATCHED_FILE };

/* What epoll hands back: a pointer whose lowest bits tell what it points to. */
#define TAGGED(pointer, tag) ((void *)((uintptr_t)(pointer) | (tag)))
#define UNTAGGED(pointer) ((void *)((uintptr_t)(pointer) & ~(uintptr_t)3))

static int epoll_fd = -1;
static void (*file_readable)(void);

_Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

void transport_begin(void)
{
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* Nothing outlives the driver. */
    prctl(PR_SET_TIMERSLACK, 1UL);    /* The default lets every wait last 50 µs longer. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll: %s", strerror(errno));
}

static void watch(int operation, int fd, uint32_t events, void *tagged)
{
    struct epoll_event event = {.events = events, .data.ptr = tagged};
    if (epoll_ctl(epoll_fd, operation, fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

void transport_watch(int fd, void (*readable)(void))
{
    file_readable = readable;
    /* epoll refuses regular files, which can always be read: a user's calls may come from one. */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = TAGGED(NULL, WATCHED_FILE)};
    int result = epoll_ctl(epoll_fd, readable ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
    while (result < 0 && errno == EPERM && file_readable)
        file_readable();
}

/* --- TLS --- */

#ifdef WITH_TLS

void *tls_server_context(const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        die("TLS: cannot use %s and %s", certificate, key);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* One read for header and body of a record. */
    return context;
}

void *tls_client_context(const char *trusted)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_load_verify_locations(context, trusted, NULL) != 1)
        die("TLS: cannot trust %s", trusted);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

static void *tls_new(void *context, int fd, bool is_client)
{
    SSL *tls = SSL_new(context);
    if (!tls || SSL_set_fd(tls, fd) != 1)
        die("TLS: out of memory");
    if (is_client) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), "127.0.0.1");
        SSL_set_connect_state(tls);
    } else {
        SSL_set_accept_state(tls);
    }
    return tls;
}

/* What a TLS call that moved nothing means in the words of a socket call: -1 with errno set, or 0 at the end. */
static ssize_t tls_outcome(void *tls, int result)
{
    int error = SSL_get_error(tls, result);
    int saved = errno;
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_SYSCALL && saved ? saved : EPROTO;
    return -1;
}

static ssize_t tls_read(void *tls, char *bytes, size_t count)
{
    int result = SSL_read(tls, bytes, (int)count);
    return result > 0 ? result : tls_outcome(tls, result);
}

static ssize_t tls_write(void *tls, const char *bytes, size_t count)
{
    int result = SSL_write(tls, bytes, (int)count);
    return result > 0 ? result : tls_outcome(tls, result);
}

static bool tls_holds_more(void *tls)
{
    return SSL_has_pending(tls) == 1;
}

static ssize_t tls_shake_hands(void *tls)
{
    int result = SSL_do_handshake(tls);
    return result == 1 ? 1 : tls_outcome(tls, result);
}

static void tls_free(void *tls)
{
    SSL_free(tls);
}

#else

static _Noreturn void no_tls(void)
{
    die("this was built without TLS: install the headers of OpenSSL (libssl-dev)");
}

void *tls_server_context(const char *certificate, const char *key)
{
    (void)certificate, (void)key;
    no_tls();
}

void *tls_client_context(const char *trusted)
{
    (void)trusted;
    no_tls();
}

static void *tls_new(void *context, int fd, bool is_client)
{
    (void)context, (void)fd, (void)is_client;
    no_tls();
}

static ssize_t tls_read(void *tls, char *bytes, size_t count)
{
    (void)tls, (void)bytes, (void)count;
    no_tls();
}

static ssize_t tls_write(void *tls, const char *bytes, size_t count)
{
    (void)tls, (void)bytes, (void)count;
    no_tls();
}

static bool tls_holds_more(void *tls)
{
    (void)tls;
    no_tls();
}

static ssize_t tls_shake_hands(void *tls)
{
    (void)tls;
    no_tls();
}

static void tls_free(void *tls)
{
    (void)tls;
    no_tls();
}

#endif

/* --- Streams --- */

static void stream_lost(struct stream *stream, const char *why)
{
    if (stream->state == STREAM_CLOSED)
        return;
    stream_close(stream);
    stream->events->gone(stream, why);
}

static void want_to_write(struct stream *stream, bool wants)
{
    if (stream->waits_to_write == wants)
        return;
    stream->waits_to_write = wants;
    watch(EPOLL_CTL_MOD, stream->fd, EPOLLIN | (wants ? EPOLLOUT : 0u), TAGGED(stream, WATCHED_STREAM));
}

static void make_nonblocking(int fd)
{
    int yes = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    /* Each message leaves when it is written, as with both vendors. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static void stream_begin(struct stream *stream, int fd, enum stream_state state)
{
    stream->fd = fd;
    stream->state = state;
    stream->in_capacity = IN_CAPACITY;
    stream->in = malloc(stream->in_capacity);
    if (!stream->in)
        die("out of memory");
    stream->waits_to_write = state == STREAM_CONNECTING;
    watch(EPOLL_CTL_ADD, fd, EPOLLIN | (stream->waits_to_write ? EPOLLOUT : 0u), TAGGED(stream, WATCHED_STREAM));
}

void stream_close(struct stream *stream)
{
    if (stream->state == STREAM_CLOSED)
        return;
    stream->state = STREAM_CLOSED;
    if (stream->tls)
        tls_free(stream->tls);
    stream->tls = NULL;
    close(stream->fd);
    free(stream->in);
    free(stream->out);
    stream->in = stream->out = NULL;
    stream->in_begin = stream->in_end = stream->out_begin = stream->out_end = stream->out_capacity = 0;
}

static void shake_hands(struct stream *stream)
{
    if (stream->tls) {
        ssize_t result = tls_shake_hands(stream->tls);
        if (result < 0 && errno == EAGAIN)
            return;
        if (result <= 0) {
            stream_lost(stream, "the TLS handshake failed");
            return;
        }
    }
    stream->state = STREAM_OPEN;
    if (stream->events->opened)
        stream->events->opened(stream);
}

static void connected(struct stream *stream)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        stream_lost(stream, strerror(error));
        return;
    }
    want_to_write(stream, false);
    stream->state = STREAM_SHAKING_HANDS;
    shake_hands(stream);
}

void stream_connect(struct stream *stream, uint16_t port, void *tls_context, const struct stream_events *events)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    make_nonblocking(fd);
    stream->events = events;
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    bool has_failed = result < 0 && errno != EINPROGRESS;
    stream_begin(stream, fd, STREAM_CONNECTING);
    if (tls_context)
        stream->tls = tls_new(tls_context, fd, true);
    if (has_failed)
        stream_lost(stream, "cannot connect");
}

static void make_room(struct stream *stream)
{
    size_t held = stream->in_end - stream->in_begin;
    if (stream->in_begin > 0) {
        memmove(stream->in, stream->in + stream->in_begin, held);
        stream->in_begin = 0;
        stream->in_end = held;
    }
    if (held < stream->in_capacity || stream->in_capacity >= IN_CAPACITY_MAX)
        return;
    stream->in_capacity *= 2;
    stream->in = realloc(stream->in, stream->in_capacity);
    if (!stream->in)
        die("out of memory");
}

static void stream_read(struct stream *stream)
{
    do {
        make_room(stream);
        size_t room = stream->in_capacity - stream->in_end;
        if (room == 0) {
            stream_lost(stream, "it sent a message without end");
            return;
        }
        char *to = stream->in + stream->in_end;
        ssize_t count = stream->tls ? tls_read(stream->tls, to, room) : recv(stream->fd, to, room, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (count <= 0) {
            stream_lost(stream, count == 0 ? "it closed the connection" : strerror(errno));
            return;
        }
        stream->in_end += (size_t)count;
        stream->events->readable(stream, clock_ns());
        /* epoll knows the socket, not what TLS has taken from it already. */
    } while (stream->state == STREAM_OPEN && stream->tls && tls_holds_more(stream->tls));
}

/* Writes what it can; how much that was, or -1 when the peer is gone. */
static ssize_t write_now(struct stream *stream, const char *bytes, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t result = stream->tls ? tls_write(stream->tls, bytes + done, count - done)
                                     : send(stream->fd, bytes + done, count - done, MSG_NOSIGNAL);
        if (result > 0) {
            done += (size_t)result;
        } else if (result < 0 && errno == EAGAIN) {
            break;
        } else if (result == 0 || errno != EINTR) {
            stream_lost(stream, "it does not take what is written");
            return -1;
        }
    }
    return (ssize_t)done;
}

static void keep_for_later(struct stream *stream, const char *bytes, size_t count)
{
    size_t held = stream->out_end - stream->out_begin;
    if (held + count > OUT_CAPACITY_MAX) {
        stream_lost(stream, "it stopped reading");
        return;
    }
    if (held + count > stream->out_capacity) {
        stream->out_capacity = 2 * (held + count);
        char *larger = malloc(stream->out_capacity);
        if (!larger)
            die("out of memory");
        if (held)
            memcpy(larger, stream->out + stream->out_begin, held);
        free(stream->out);
        stream->out = larger;
    } else if (held) {
        memmove(stream->out, stream->out + stream->out_begin, held);
    }
    memcpy(stream->out + held, bytes, count);
    stream->out_begin = 0;
    stream->out_end = held + count;
    want_to_write(stream, true);
}

void stream_write(struct stream *stream, const char *bytes, size_t count)
{
    if (stream->state != STREAM_OPEN)
        return;
    ssize_t done = stream->out_begin == stream->out_end ? write_now(stream, bytes, count) : 0;
    if (done >= 0 && (size_t)done < count)
        keep_for_later(stream, bytes + done, count - (size_t)done);
}

static void write_held(struct stream *stream)
{
    ssize_t done = write_now(stream, stream->out + stream->out_begin, stream->out_end - stream->out_begin);
    if (done < 0)
        return;
    stream->out_begin += (size_t)done;
    want_to_write(stream, stream->out_begin < stream->out_end);
}

/* --- The loop --- */

void listener_open(struct listener *listener, uint16_t port, void *tls_context, struct stream *(*accepted)(void))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener->tls_context = tls_context;
    listener->accepted = accepted;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener->fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener->fd, 4096) < 0)
        die("cannot listen on port %u: %s", port, strerror(errno));
    watch(EPOLL_CTL_ADD, listener->fd, EPOLLIN, TAGGED(listener, WATCHED_LISTENER));
}

static void accept_one(struct listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return; /* It went away again. */
    make_nonblocking(fd);
    struct stream *stream = listener->accepted();
    stream_begin(stream, fd, STREAM_SHAKING_HANDS);
    if (listener->tls_context)
        stream->tls = tls_new(listener->tls_context, fd, false);
    shake_hands(stream);
}

static void stream_happened(struct stream *stream, uint32_t events)
{
    switch (stream->state) {
    case STREAM_CLOSED:
        return; /* By an event before this one in the same turn. */
    case STREAM_CONNECTING:
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            connected(stream);
        return;
    case STREAM_SHAKING_HANDS:
        shake_hands(stream);
        /* The peer's first words may have come with the end of its handshake. */
        if (stream->state == STREAM_OPEN && stream->tls && tls_holds_more(stream->tls))
            stream_read(stream);
        return;
    case STREAM_OPEN:
        if (events & EPOLLOUT && stream->out_begin < stream->out_end)
            write_held(stream);
        if (events & (EPOLLIN | EPOLLERR | EPOLLHUP) && stream->state == STREAM_OPEN)
            stream_read(stream);
    }
}

uint64_t transport_turn(uint64_t wait_ns)
{
    struct epoll_event events[EVENTS_A_TURN];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / SECOND), .tv_nsec = (long)(wait_ns % SECOND)};
    int count = epoll_pwait2(epoll_fd, events, EVENTS_A_TURN, &wait, NULL);
    uint64_t woke_at = clock_ns();
    for (int i = 0; i < count; i++) {
        void *target = UNTAGGED(events[i].data.ptr);
        switch ((enum watched)((uintptr_t)events[i].data.ptr & 3)) {
        case WATCHED_STREAM:
            stream_happened(target, events[i].events);
            break;
        case WATCHED_LISTENER:
            accept_one(target);
            break;
        case WATCHED_FILE:
            if (file_readable)
                file_readable();
        }
    }
    return woke_at;
}
