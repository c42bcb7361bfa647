/* See websocket.h. */
#include "websocket.h"

#include "measure.h"

#include <stdlib.h>
#include <string.h>

enum opcode { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

#define HEADER_MAX 14

/* Every message is composed here, after room for its header: one buffer, because nothing runs at the same time. */
static char composed[HEADER_MAX + MESSAGE_ROOM];

/* --- Frames out --- */

char *websocket_compose(void)
{
    return composed + HEADER_MAX;
}

/* Eight bytes at a time: at 50,000 frames a second, one by one would be felt. */
static void mask(char *bytes, size_t count, const unsigned char key[4])
{
    uint64_t wide_key, eight;
    memcpy(&wide_key, key, 4);
    memcpy((char *)&wide_key + 4, key, 4);
    size_t at = 0;
    for (; at + 8 <= count; at += 8) {
        memcpy(&eight, bytes + at, 8);
        eight ^= wide_key;
        memcpy(bytes + at, &eight, 8);
    }
    for (; at < count; at++)
        bytes[at] ^= (char)key[at & 3];
}

/* Clients mask what they send. Any key is as good as another here, but for zero: it would spare the peer the work. */
static void new_mask(unsigned char key[4])
{
    static uint32_t random = 1;
    random = random * 1664525u + 1013904223u;
    uint32_t bits = random | 0x01010101u;
    memcpy(key, &bits, 4);
}

static void send_frame(struct websocket *socket, enum opcode opcode, size_t length)
{
    unsigned char header[HEADER_MAX];
    size_t size = 2;
    header[0] = (unsigned char)(0x80 | opcode);
    if (length < 126) {
        header[1] = (unsigned char)length;
    } else {
        header[1] = 126;
        header[2] = (unsigned char)(length >> 8);
        header[3] = (unsigned char)length;
        size = 4;
    }
    if (socket->is_client) {
        header[1] |= 0x80;
        new_mask(header + size);
        mask(composed + HEADER_MAX, length, header + size);
        size += 4;
    }
    char *frame = composed + HEADER_MAX - size;
    memcpy(frame, header, size);
    stream_write(&socket->stream, frame, size + length);
}

void websocket_send_composed(struct websocket *socket, size_t length)
{
    send_frame(socket, TEXT, length);
}

void websocket_send(struct websocket *socket, const char *text)
{
    size_t length = strlen(text);
    if (length >= MESSAGE_ROOM)
        die("a message of %zu bytes", length);
    memcpy(websocket_compose(), text, length);
    send_frame(socket, TEXT, length);
}

void websocket_close(struct websocket *socket)
{
    memcpy(websocket_compose(), "\x03\xe8", 2); /* 1000 */
    send_frame(socket, CLOSE, 2);
}

/* --- Frames in --- */

static void lost(struct websocket *socket, const char *why)
{
    stream_close(&socket->stream);
    socket->events->gone(socket, why);
}

static void frame_came(struct websocket *socket, unsigned opcode, char *payload, size_t length, uint64_t read_at)
{
    switch (opcode) {
    case TEXT:
        socket->events->said(socket, payload, length, read_at);
        break;
    case PING:
        memcpy(websocket_compose(), payload, length);
        send_frame(socket, PONG, length);
        break;
    case PONG:
        break;
    case CLOSE:
        memcpy(websocket_compose(), payload, length);
        send_frame(socket, CLOSE, length);
        lost(socket, "it sent a close frame");
        break;
    default:
        lost(socket, "it sent a binary frame or a fragment");
    }
}

/* One frame out of what was read; false when there is no whole one. */
static bool next_frame(struct websocket *socket, uint64_t read_at)
{
    struct stream *stream = &socket->stream;
    unsigned char *bytes = (unsigned char *)stream->in + stream->in_begin;
    size_t held = stream->in_end - stream->in_begin;
    if (held < 2)
        return false;
    bool is_masked = bytes[1] & 0x80;
    uint64_t length = bytes[1] & 0x7f;
    size_t length_bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    size_t header = 2 + length_bytes + (is_masked ? 4 : 0);
    if (held < header)
        return false;
    if (length_bytes) {
        length = 0;
        for (size_t i = 0; i < length_bytes; i++)
            length = length << 8 | bytes[2 + i];
    }
    if (length > held - header)
        return false;
    /* Moved on before anybody is told: whoever is told may close the stream. */
    stream->in_begin += header + (size_t)length;
    char *payload = (char *)bytes + header;
    if (is_masked)
        mask(payload, (size_t)length, bytes + header - 4);
    /* Without FIN it is a fragment; an opcode that no one knows stands for it. */
    unsigned opcode = bytes[0] & 0x80 ? bytes[0] & 0x0f : 0x0f;
    if ((opcode & 8) && length > 125)
        lost(socket, "it sent an oversized control frame");
    else
        frame_came(socket, opcode, payload, (size_t)length, read_at);
    return true;
}

/* --- The handshake --- */

static uint32_t rotate(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

static void sha1_block(uint32_t state[5], const unsigned char block[64])
{
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                              : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = rotate(a, 5) + f + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

#define KEY_CHARS 24
#define ACCEPT_CHARS 28

/* Sec-WebSocket-Accept for a key: the base64 of the SHA-1 of key and GUID (RFC 6455, section 4.2.2).
 * Both together have 60 bytes, hence always two blocks. */
static void accept_text(const char key[KEY_CHARS], char text[ACCEPT_CHARS + 1])
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char blocks[128] = {0}, digest[21] = {0};
    memcpy(blocks, key, KEY_CHARS);
    memcpy(blocks + KEY_CHARS, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    blocks[60] = 0x80;
    blocks[126] = 60 * 8 >> 8;
    blocks[127] = 60 * 8 & 0xff;
    sha1_block(state, blocks);
    sha1_block(state, blocks + 64);
    for (int i = 0; i < 20; i++)
        digest[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
    for (int i = 0; i < 7; i++) {
        uint32_t bits = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int j = 0; j < 4; j++)
            text[4 * i + j] = LETTERS[bits >> (18 - 6 * j) & 63];
    }
    strcpy(text + 27, "=");
}

static const char CLIENT_KEY[] = "dGhlIHNhbXBsZSBub25jZQ==";

/* What a client asks: one buffer is enough, because the first write of a connection always fits its socket. */
static char *request_text(uint16_t port, const char *path, const char *headers)
{
    static const char FORMAT[] = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n";
    int length = snprintf(NULL, 0, FORMAT, path, port, CLIENT_KEY, headers);
    char *text = malloc((size_t)length + 1);
    if (!text)
        die("out of memory");
    sprintf(text, FORMAT, path, port, CLIENT_KEY, headers);
    return text;
}

static void answer_upgrade(struct websocket *socket, const char *request)
{
    char accept[ACCEPT_CHARS + 1], answer[256];
    const char *key = strcasestr(request, "\r\nsec-websocket-key:");
    if (!key) {
        lost(socket, "it did not ask for a WebSocket");
        return;
    }
    key += strlen("\r\nsec-websocket-key:");
    key += strspn(key, " ");
    if (strcspn(key, " \r") != KEY_CHARS) {
        lost(socket, "its Sec-WebSocket-Key has a wrong length");
        return;
    }
    accept_text(key, accept);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\n\r\n",
                          accept);
    stream_write(&socket->stream, answer, (size_t)length);
    socket->is_ready = true;
}

static void check_answer(struct websocket *socket, const char *answer)
{
    char accept[ACCEPT_CHARS + 1];
    accept_text(CLIENT_KEY, accept);
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0 || !strstr(answer, accept)) {
        static char why[64]; /* Told in the report of the run: "refused the upgrade: HTTP/1.1 403". */
        snprintf(why, sizeof why, "refused the upgrade: %.12s", answer);
        lost(socket, why);
        return;
    }
    socket->is_ready = true;
}

/* Request or answer, once its empty line has come. */
static void read_handshake(struct websocket *socket)
{
    struct stream *stream = &socket->stream;
    char *begin = stream->in + stream->in_begin;
    char *end = memmem(begin, stream->in_end - stream->in_begin, "\r\n\r\n", 4);
    if (!end)
        return;
    stream->in_begin += (size_t)(end - begin) + 4;
    end[2] = '\0';
    if (socket->is_client)
        check_answer(socket, begin);
    else
        answer_upgrade(socket, begin);
    if (socket->is_ready)
        socket->events->ready(socket);
}

/* --- The stream's events --- */

static void stream_opened(struct stream *stream)
{
    struct websocket *socket = (struct websocket *)stream;
    if (!socket->is_client)
        return;
    stream_write(stream, socket->request, strlen(socket->request));
    free((char *)socket->request);
    socket->request = NULL;
}

static void stream_readable(struct stream *stream, uint64_t read_at)
{
    struct websocket *socket = (struct websocket *)stream;
    if (!socket->is_ready)
        read_handshake(socket);
    while (stream->state == STREAM_OPEN && socket->is_ready && next_frame(socket, read_at))
        ;
}

static void stream_gone(struct stream *stream, const char *why)
{
    struct websocket *socket = (struct websocket *)stream;
    socket->events->gone(socket, why);
}

static const struct stream_events STREAM_EVENTS = {stream_opened, stream_readable, stream_gone};

void websocket_connect(struct websocket *socket, uint16_t port, void *tls_context, const char *path,
                       const char *headers, const struct websocket_events *events)
{
    socket->events = events;
    socket->is_client = true;
    socket->request = request_text(port, path, headers);
    stream_connect(&socket->stream, port, tls_context, &STREAM_EVENTS);
}

struct stream *websocket_accept(struct websocket *socket, const struct websocket_events *events)
{
    socket->events = events;
    socket->stream.events = &STREAM_EVENTS;
    return &socket->stream;
}

/* --- JSON --- */

static const char *after_spaces(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Where the quoted `word` ends, from `text` on; NULL when it is not there. */
static const char *after_word(const char *text, const char *end, const char *word)
{
    size_t size = strlen(word);
    while (text < end) {
        const char *found = memmem(text, (size_t)(end - text), word, size);
        if (!found)
            return NULL;
        if (found[-1] == '"' && found + size < end && found[size] == '"')
            return found + size + 1;
        text = found + size;
    }
    return NULL;
}

const char *json_string(const char *text, size_t length, const char *name, size_t *value_length)
{
    const char *end = text + length;
    const char *at = text + 1; /* So that a word always has a letter before it. */
    while ((at = after_word(at, end, name)) != NULL) {
        at = after_spaces(at, end);
        if (at >= end || *at != ':')
            continue;
        at = after_spaces(at + 1, end);
        if (at >= end || *at != '"')
            continue;
        const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
        if (!close)
            return NULL;
        *value_length = (size_t)(close - at - 1);
        return at + 1;
    }
    return NULL;
}

bool json_mentions(const char *text, size_t length, const char *word)
{
    return length > 1 && after_word(text + 1, text + length, word) != NULL;
}
