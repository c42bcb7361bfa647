/* See measure.h. */
#include "measure.h"

#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t clock_ns(void)
{
    static uint64_t began_at;
    if (began_at == 0)
        began_at = read_clock(CLOCK_MONOTONIC) - 1;
    return read_clock(CLOCK_MONOTONIC) - began_at;
}

uint64_t cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* --- Histogram --- */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 128)
        return (unsigned)ns; /* Two rows of 64 that are exact. */
    unsigned shift = 63 - 6 - (unsigned)__builtin_clzll(ns);
    unsigned bucket = (shift + 1) * 64 + ((ns >> shift) & 63);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < 128)
        return bucket;
    unsigned shift = bucket / 64 - 1;
    return ((uint64_t)(64 + bucket % 64 + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->in_bucket[bucket_of(ns)]++;
    if (ns > histogram->max)
        histogram->max = ns;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.5);
    uint64_t passed = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        passed += histogram->in_bucket[bucket];
        if (histogram->in_bucket[bucket] && passed >= wanted)
            return upper_edge(bucket) < histogram->max ? upper_edge(bucket) : histogram->max;
    }
    return 0;
}

void histogram_print(const struct histogram *histogram, FILE *out)
{
    const char *comma = "";
    fprintf(out, "{\"count\":%llu,\"max_ns\":%llu,\"buckets\":[", (unsigned long long)histogram->count,
            (unsigned long long)histogram->max);
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        if (!histogram->in_bucket[bucket])
            continue;
        fprintf(out, "%s[%llu,%llu]", comma, (unsigned long long)upper_edge(bucket),
                (unsigned long long)histogram->in_bucket[bucket]);
        comma = ",";
    }
    fputs("]}", out);
}

/* --- Base64 and stamps --- */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void write_24_bits(char text[4], uint32_t bits)
{
    text[0] = ALPHABET[bits >> 18 & 63];
    text[1] = ALPHABET[bits >> 12 & 63];
    text[2] = ALPHABET[bits >> 6 & 63];
    text[3] = ALPHABET[bits & 63];
}

static int value_of(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

/* Negative when one of the four is no letter of base64. */
static int32_t read_24_bits(const char text[4])
{
    int a = value_of(text[0]), b = value_of(text[1]), c = value_of(text[2]), d = value_of(text[3]);
    return a < 0 || b < 0 || c < 0 || d < 0 ? -1 : a << 18 | b << 12 | c << 6 | d;
}

static const char MAGIC[4] = {'b', 'N', 'c', 'H'};
#define BITS_24 0xFFFFFFu

void stamp_write(char text[STAMP_CHARS], const struct stamp *stamp)
{
    memcpy(text, MAGIC, 4);
    write_24_bits(text + 4, stamp->call);
    write_24_bits(text + 8, stamp->sequence);
    write_24_bits(text + 12, (uint32_t)(stamp->written_at >> 24) & BITS_24);
    write_24_bits(text + 16, (uint32_t)stamp->written_at & BITS_24);
}

bool stamp_read(const char text[STAMP_CHARS], struct stamp *stamp)
{
    if (memcmp(text, MAGIC, 4) != 0)
        return false;
    int32_t call = read_24_bits(text + 4), sequence = read_24_bits(text + 8);
    int32_t high = read_24_bits(text + 12), low = read_24_bits(text + 16);
    if (call < 0 || sequence < 0 || high < 0 || low < 0)
        return false;
    stamp->call = (uint32_t)call;
    stamp->sequence = (uint32_t)sequence;
    stamp->written_at = (uint64_t)high << 24 | (uint64_t)low;
    return true;
}

size_t base64_chars(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

void speech_base64(char *text, size_t bytes, uint32_t seed)
{
    uint32_t random = seed * 2654435761u + 1;
    size_t chars = base64_chars(bytes);
    for (size_t at = 0; at < chars; at += 4) {
        random = random * 1664525u + 1013904223u;
        /* Codes of the faintest samples of either sign: the noise of a quiet line. Louder noise would have to
           be taken for somebody who speaks and is not heard, which no line brings for longer than seconds. */
        write_24_bits(text + at, (random >> 8 & 0x838383) | 0x7c7c7c);
    }
    /* The last group holds fewer than three bytes; the bits that are left over must be zero. */
    if (bytes % 3 == 1)
        memcpy(text + chars - 3, "A==", 3);
    else if (bytes % 3 == 2)
        memcpy(text + chars - 2, "A=", 2);
}

/* --- Who arrived --- */

enum arrival arrivals_note(struct arrivals *arrivals, uint32_t sequence)
{
    if (!arrivals->any || sequence > arrivals->highest) {
        uint32_t ahead = arrivals->any ? sequence - arrivals->highest : 64;
        arrivals->seen = (ahead < 64 ? arrivals->seen << ahead : 0) | 1;
        arrivals->highest = sequence;
        arrivals->any = true;
        return ARRIVED;
    }
    uint32_t behind = arrivals->highest - sequence;
    if (behind >= 64 || arrivals->seen >> behind & 1)
        return ARRIVED_TWICE;
    arrivals->seen |= 1ULL << behind;
    return ARRIVED_LATE;
}
