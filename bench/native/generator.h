/* The load generator's shared state: calls, model sessions, timers, phases and counts.
 *
 * One thread plays both ends of every call, so a frame is written and read on the same clock.
 */
#ifndef BENCH_GENERATOR_H
#define BENCH_GENERATOR_H

#include "measure.h"
#include "websocket.h"

#define FRAME_BYTES 160 /* Twilio: 20 ms of µ-law */
#define FRAME_NS (20 * MILLISECOND)
#define DELTA_BYTES 800
#define DELTA_NS (100 * MILLISECOND)
#define BYTES_PER_MS 8

/* --- Options --- */

struct options {
    uint16_t bridge_port;
    uint16_t model_port;
    const char *path;
    const char *signature; /* X-Twilio-Signature of every upgrade */
    const char *account_sid;
    const char *certificate; /* With `key`: the model side speaks TLS. */
    const char *key;
    uint32_t calls; /* Measured ones; lines of standard input beyond them are extra calls. */
    uint64_t warm_up_ns, window_ns, drain_ns, ramp_max_ns;
    uint64_t extra_life_ns; /* How long an extra call lasts. */
    bool is_direct;         /* No bridge: the phone side talks to the model side. */
};

extern struct options options;

/* --- Phases: each ends by time, but the ramp, which ends when all measured calls are up --- */

enum phase { RAMP, WARM_UP, WINDOW, DRAIN, CLOSING };

extern enum phase phase;

/* Whether audio is sent: not in the drain, where what is on its way may still arrive. */
bool is_sending(void);

/* --- Timers --- */

typedef void fire_fn(void *owner, uint64_t due);

void timer_add(uint64_t due, fire_fn *fire, void *owner);

/* Less than a frame: so much later than in its rhythm something may be said, as after a real network. It also keeps
 * the kernel's user and system time honest. It samples them at its ticks, of which 20 ms are a whole number, so that
 * a strict rhythm would show every tick the same moment of the bridge's work. */
#define JITTER_NS (10 * MILLISECOND)

/* The next moment after `now` of a rhythm in which `index` of `count` has its place, all evenly spread; somewhat
 * late, and none is left out when it is asked for from the moment of the one before. */
uint64_t next_beat(uint64_t now, uint64_t period, uint32_t index, uint32_t count);

/* --- Counts of one direction, for measured calls --- */

struct direction {
    uint64_t sent, received;               /* Frames written in the window, and those of them that came. */
    uint64_t sent_before, received_before; /* The same for frames written before the window. */
    uint64_t duplicated, reordered;        /* In the whole run. */
    uint64_t unreadable;                   /* Audio without a stamp, or of another length. */
    struct histogram latency;              /* Of the window. */
    uint64_t second_sent, second_received; /* Since the last line of progress. */
    struct histogram second_latency;
};

extern struct direction up, down;

void direction_sent(struct direction *direction, uint64_t written_at);
void direction_received(struct direction *direction, struct arrivals *arrivals, const struct stamp *stamp,
                        uint64_t read_at);

/* --- Calls --- */

struct session;

struct mark {
    uint64_t due;
    char name[128];
};

#define MARKS_MAX 64

struct call {
    struct websocket socket; /* The phone's. First, so that a socket's address is its call's. */
    uint32_t number;         /* From 0; stands in every stamp. */
    bool is_extra;           /* Not measured: it comes and goes beside those that are. */
    bool is_up;              /* Audio has arrived at both ends. */
    bool is_over;            /* Ended by us, or lost and counted. */
    char call_sid[64], stream_sid[64], token[256];
    uint64_t dialled_at, streams_since;
    uint32_t sequence_number; /* Twilio's, shared by all its messages */
    uint32_t frames;          /* Sent so far */
    struct arrivals heard;    /* Deltas that the phone got */
    uint64_t plays_until;     /* When all audio that the phone has will have been played */
    struct mark marks[MARKS_MAX];
    uint32_t first_mark, mark_count;
    struct session *session; /* Known once the model side has heard the call's first frame. */
};

/* Answers NULL for a number that was never given. */
struct call *call_of(uint32_t number);

/* Notes that audio came through one way; once it has both ways the call is up. */
void call_progressed(struct call *call);

/* Counts a call that ended before its time; nothing when that was known. */
void call_lost(struct call *call, const char *why);

/* A model session ended before it was known whose it was. */
void session_lost(const char *why);

/* --- The two sides --- */

/* phone_side.c: dials the bridge; says what Twilio would; counts marks and clears. */
extern uint64_t marks_received, clears_received;
void phone_prepare(void);
void phone_dial(struct call *call);
void phone_hang_up(struct call *call);

/* model_side.c: waits for the bridge; says what the Realtime API would. */
void model_prepare(void);

#endif
