/* What is measured and how: the clock, latency histograms, stamps inside the audio, and who arrived.
 *
 * A stamp is 15 bytes of audio that say which frame this is and when it was written. It stands at the
 * start of a frame's audio, and 15 bytes are exactly 20 characters of base64, so it can be written
 * and read in the text of a message without decoding the rest of it.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MILLISECOND 1000000ULL
#define SECOND 1000000000ULL

/* Nanoseconds since the process began: they fit the 48 bits of a stamp for three days. */
uint64_t clock_ns(void);

/* CPU time of this process in nanoseconds, both its own and the kernel's on its behalf. */
uint64_t cpu_ns(void);

/* --- Histogram: 64 buckets for every power of two, so a value is off by 1.6 % at most --- */

#define HISTOGRAM_BUCKETS (64 * 43)

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t in_bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The upper edge of the bucket below which `share` (0 to 1) of all values lie; 0 when there are none. */
uint64_t histogram_at(const struct histogram *histogram, double share);

/* {"count":…,"max_ns":…,"buckets":[[upper edge in ns, count],…]}, empty buckets left out. */
void histogram_print(const struct histogram *histogram, FILE *out);

/* --- Stamps --- */

#define STAMP_CHARS 20

struct stamp {
    uint32_t call;     /* 24 bits */
    uint32_t sequence; /* 24 bits, from 0, one more with every frame of a direction of a call */
    uint64_t written_at;
};

void stamp_write(char text[STAMP_CHARS], const struct stamp *stamp);

/* False when `text` does not begin with a stamp: somebody touched the audio. */
bool stamp_read(const char text[STAMP_CHARS], struct stamp *stamp);

/* Length of the base64 of `bytes` bytes. */
size_t base64_chars(size_t bytes);

/* Base64 of `bytes` bytes that look like speech: no two calls and no two places alike. */
void speech_base64(char *text, size_t bytes, uint32_t seed);

/* --- Who arrived --- */

enum arrival { ARRIVED, ARRIVED_LATE, ARRIVED_TWICE };

/* Remembers the last 64 sequence numbers, so that a frame that was overtaken is told from one that came twice. */
struct arrivals {
    bool any;
    uint32_t highest;
    uint64_t seen; /* bit n: highest - n has arrived */
};

enum arrival arrivals_note(struct arrivals *arrivals, uint32_t sequence);

#endif
