/* Plays both ends of many calls through a bridge and measures what the bridge does to them.
 *
 * Standard input has one line for each call: CallSid, StreamSid and stream token, with spaces between.
 * A call is dialled as soon as its line is read. When all measured calls are up there is a warm-up,
 * the window in which all is counted, and a drain in which nothing is sent but what is on its way
 * may arrive. Standard output has a JSON line every second, the lines WINDOW_BEGIN and WINDOW_END,
 * and at the end one JSON line with the report.
 */
#include "generator.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSING_MAX_NS (2 * SECOND)
/* Timers served before the sockets are looked at again: when late, both get their turn. */
#define TIMERS_A_TURN 8

struct options options = {
    .path = "/media-stream",
    .signature = "-",
    .account_sid = "AC00000000000000000000000000000000",
    .warm_up_ns = 2 * SECOND,
    .window_ns = 5 * SECOND,
    .drain_ns = SECOND / 2,
    .ramp_max_ns = 30 * SECOND,
    .extra_life_ns = 5 * SECOND,
};

enum phase phase = RAMP;
struct direction up, down;

static uint64_t window_begins_at = UINT64_MAX, window_ns;
static bool is_finished;
static const char *outcome = "complete";
static char reason[160];

/* --- The generator's own health: it must never be what is slow --- */

static struct {
    struct histogram lateness; /* Of timers, in the window */
    struct histogram turn;     /* From a wake-up to the next wait: how long a socket may go unseen */
    uint64_t cpu_at_begin, cpu_ns;
} health;

/* --- Timers: a binary heap --- */

struct timer {
    uint64_t due;
    fire_fn *fire;
    void *owner;
};

static struct timer *timers;
static size_t timer_count, timer_capacity;

void timer_add(uint64_t due, fire_fn *fire, void *owner)
{
    if (timer_count == timer_capacity) {
        timer_capacity = timer_capacity ? 2 * timer_capacity : 1024;
        timers = realloc(timers, timer_capacity * sizeof *timers);
        if (!timers)
            die("out of memory");
    }
    size_t at = timer_count++;
    for (; at > 0 && timers[(at - 1) / 2].due > due; at = (at - 1) / 2)
        timers[at] = timers[(at - 1) / 2];
    timers[at] = (struct timer){due, fire, owner};
}

static struct timer take_first_timer(void)
{
    struct timer first = timers[0], last = timers[--timer_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < timer_count; at = child) {
        if (child + 1 < timer_count && timers[child + 1].due < timers[child].due)
            child++;
        if (timers[child].due >= last.due)
            break;
        timers[at] = timers[child];
    }
    timers[at] = last;
    return first;
}

/* Fires what is due, but not too many; answers how long one may wait for the next. */
static uint64_t fire_timers(void)
{
    for (int fired = 0; timer_count > 0; fired++) {
        uint64_t now = clock_ns();
        if (timers[0].due > now)
            return timers[0].due - now;
        if (fired == TIMERS_A_TURN)
            return 0;
        struct timer timer = take_first_timer();
        if (phase == WINDOW)
            histogram_add(&health.lateness, now - timer.due);
        timer.fire(timer.owner, timer.due);
    }
    return SECOND;
}

/* Xorshift (Marsaglia, 2003), the same row of numbers in every run. */
static uint64_t jitter(void)
{
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % JITTER_NS;
}

uint64_t next_beat(uint64_t now, uint64_t period, uint32_t index, uint32_t count)
{
    uint64_t place = period * (index % count) / count;
    uint64_t beat = now / period * period + place;
    return (beat > now ? beat : beat + period) + jitter();
}

/* --- Counts --- */

bool is_sending(void)
{
    return phase < DRAIN;
}

void direction_sent(struct direction *direction, uint64_t written_at)
{
    direction->second_sent++;
    if (written_at >= window_begins_at)
        direction->sent++;
    else
        direction->sent_before++;
}

void direction_received(struct direction *direction, struct arrivals *arrivals, const struct stamp *stamp,
                        uint64_t read_at)
{
    enum arrival arrival = arrivals_note(arrivals, stamp->sequence);
    if (arrival == ARRIVED_TWICE) {
        direction->duplicated++;
        return;
    }
    direction->reordered += arrival == ARRIVED_LATE;
    direction->second_received++;
    histogram_add(&direction->second_latency, read_at - stamp->written_at);
    if (stamp->written_at < window_begins_at) {
        direction->received_before++;
        return;
    }
    direction->received++;
    histogram_add(&direction->latency, read_at - stamp->written_at);
}

/* --- Calls --- */

static struct call **calls;
static uint32_t call_count, calls_up, calls_lost, extras_up;
static struct histogram set_up; /* From dialling to audio both ways */

static void begin_warm_up(void);
static void fail(const char *why);

struct call *call_of(uint32_t number)
{
    return number < call_count ? calls[number] : NULL;
}

void call_progressed(struct call *call)
{
    if (call->is_up || !call->session || !call->heard.any)
        return;
    call->is_up = true;
    histogram_add(&set_up, clock_ns() - call->dialled_at);
    if (call->is_extra)
        extras_up++;
    else if (++calls_up == options.calls)
        begin_warm_up();
}

void call_lost(struct call *call, const char *why)
{
    if (call->is_over || phase == CLOSING)
        return;
    call->is_over = true;
    if (calls_lost++ == 0)
        snprintf(reason, sizeof reason, "a call was lost: %s", why);
    if (phase == RAMP)
        fail(reason);
}

void session_lost(const char *why)
{
    if (phase == CLOSING)
        return;
    if (phase == RAMP)
        fail(why);
}

static void begin_call(char *line)
{
    struct call *call = calloc(1, sizeof *call);
    calls = realloc(calls, (call_count + 1) * sizeof *calls);
    if (!call || !calls)
        die("out of memory");
    if (sscanf(line, "%63s %63s %255s", call->call_sid, call->stream_sid, call->token) != 3)
        die("a line must have CallSid, StreamSid and token: %s", line);
    call->number = call_count;
    call->is_extra = call_count >= options.calls;
    calls[call_count++] = call;
    phone_dial(call);
}

static void read_lines(void)
{
    static char text[64 * 1024];
    static size_t held;
    ssize_t count = read(STDIN_FILENO, text + held, sizeof text - 1 - held);
    if (count <= 0) {
        transport_watch(STDIN_FILENO, NULL);
        if (call_count < options.calls)
            fail("fewer calls were given than are to be measured");
        return;
    }
    held += (size_t)count;
    text[held] = '\0';
    char *line = text, *end;
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (is_sending())
            begin_call(line);
    }
    held -= (size_t)(line - text);
    memmove(text, line, held);
}

/* --- Phases --- */

static void closing_took_too_long(void *owner, uint64_t due)
{
    (void)owner, (void)due;
    is_finished = true;
}

static void begin_closing(void)
{
    for (uint32_t i = 0; i < call_count; i++)
        phone_hang_up(calls[i]);
    phase = CLOSING;
    timer_add(clock_ns() + CLOSING_MAX_NS, closing_took_too_long, NULL);
}

static void fail(const char *why)
{
    if (phase == CLOSING)
        return;
    outcome = "failed";
    if (why != reason)
        snprintf(reason, sizeof reason, "%s", why);
    begin_closing();
}

static void phase_is_over(void *owner, uint64_t due)
{
    (void)owner;
    switch (phase) {
    case WARM_UP:
        phase = WINDOW;
        puts("WINDOW_BEGIN");
        fflush(stdout);
        health.cpu_at_begin = cpu_ns();
        window_begins_at = clock_ns(); /* Now and not when it was due: frames were written in between. */
        timer_add(window_begins_at + options.window_ns, phase_is_over, NULL);
        break;
    case WINDOW:
        phase = DRAIN;
        window_ns = clock_ns() - window_begins_at;
        puts("WINDOW_END");
        fflush(stdout);
        health.cpu_ns = cpu_ns() - health.cpu_at_begin;
        timer_add(due + options.drain_ns, phase_is_over, NULL);
        break;
    case DRAIN:
        begin_closing();
        break;
    case RAMP:
    case CLOSING:
        break;
    }
}

static void begin_warm_up(void)
{
    phase = WARM_UP;
    timer_add(clock_ns() + options.warm_up_ns, phase_is_over, NULL);
}

static void ramp_took_too_long(void *owner, uint64_t due)
{
    (void)owner, (void)due;
    if (phase == RAMP)
        fail("not all calls came up in time");
}

static bool all_sockets_closed(void)
{
    for (uint32_t i = 0; i < call_count; i++)
        if (calls[i]->socket.stream.state != STREAM_CLOSED)
            return false;
    return true;
}

/* --- What is told --- */

static void print_progress(const char *name, struct direction *direction)
{
    printf(",\"%s\":{\"sent\":%llu,\"received\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}", name,
           (unsigned long long)direction->second_sent, (unsigned long long)direction->second_received,
           (double)histogram_at(&direction->second_latency, 0.5) / 1e3,
           (double)histogram_at(&direction->second_latency, 0.99) / 1e3, (double)direction->second_latency.max / 1e3);
    direction->second_sent = direction->second_received = 0;
    memset(&direction->second_latency, 0, sizeof direction->second_latency);
}

static void second_passed(void *owner, uint64_t due)
{
    static const char *const NAMES[] = {"ramp", "warm_up", "window", "drain", "closing"};
    (void)owner;
    printf("{\"kind\":\"second\",\"at_s\":%.1f,\"phase\":\"%s\",\"calls_up\":%u,\"calls_lost\":%u", (double)due / 1e9,
           NAMES[phase], calls_up, calls_lost);
    print_progress("up", &up);
    print_progress("down", &down);
    puts("}");
    fflush(stdout);
    timer_add(due + SECOND, second_passed, NULL);
}

static void print_direction(const char *name, const struct direction *direction)
{
    printf(",\"%s\":{\"sent\":%llu,\"received\":%llu,\"sent_before\":%llu,\"received_before\":%llu,"
           "\"duplicated\":%llu,\"reordered\":%llu,\"unreadable\":%llu,\"latency\":",
           name, (unsigned long long)direction->sent, (unsigned long long)direction->received,
           (unsigned long long)direction->sent_before, (unsigned long long)direction->received_before,
           (unsigned long long)direction->duplicated, (unsigned long long)direction->reordered,
           (unsigned long long)direction->unreadable);
    histogram_print(&direction->latency, stdout);
    putchar('}');
}

static void print_report(void)
{
    printf("{\"kind\":\"report\",\"outcome\":\"%s\",\"reason\":\"%s\",\"calls\":%u,\"calls_up\":%u,\"calls_lost\":%u,"
           "\"extras_up\":%u,\"window_s\":%.3f,\"marks_received\":%llu,\"clears_received\":%llu",
           outcome, reason, options.calls, calls_up, calls_lost, extras_up, (double)window_ns / 1e9,
           (unsigned long long)marks_received, (unsigned long long)clears_received);
    print_direction("up", &up);
    print_direction("down", &down);
    printf(",\"set_up\":");
    histogram_print(&set_up, stdout);
    printf(",\"generator\":{\"cpu_s\":%.6f,\"lateness\":", (double)health.cpu_ns / 1e9);
    histogram_print(&health.lateness, stdout);
    printf(",\"turn\":");
    histogram_print(&health.turn, stdout);
    puts("}}");
    fflush(stdout);
}

/* --- The start --- */

static uint64_t seconds(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text || value < 0)
        die("not a number of seconds: %s", text);
    return (uint64_t)(value * 1e9);
}

static uint32_t number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || end == text || value == 0 || value > max)
        die("not a number from 1 to %lu: %s", max, text);
    return (uint32_t)value;
}

static const struct option LONG_OPTIONS[] = {
    {"bridge-port", required_argument, NULL, 'b'}, {"model-port", required_argument, NULL, 'm'},
    {"path", required_argument, NULL, 'p'},        {"signature", required_argument, NULL, 's'},
    {"account-sid", required_argument, NULL, 'a'}, {"certificate", required_argument, NULL, 'c'},
    {"key", required_argument, NULL, 'k'},         {"calls", required_argument, NULL, 'n'},
    {"warm-up", required_argument, NULL, 'u'},     {"window", required_argument, NULL, 'w'},
    {"drain", required_argument, NULL, 'd'},       {"ramp-max", required_argument, NULL, 'r'},
    {"extra-life", required_argument, NULL, 'e'},  {"self", no_argument, NULL, 'S'},
    {NULL, 0, NULL, 0},
};

static void take_option(int letter)
{
    switch (letter) {
    case 'b': options.bridge_port = (uint16_t)number(optarg, UINT16_MAX); break;
    case 'm': options.model_port = (uint16_t)number(optarg, UINT16_MAX); break;
    case 'p': options.path = optarg; break;
    case 's': options.signature = optarg; break;
    case 'a': options.account_sid = optarg; break;
    case 'c': options.certificate = optarg; break;
    case 'k': options.key = optarg; break;
    case 'n': options.calls = number(optarg, 1u << 20); break;
    case 'u': options.warm_up_ns = seconds(optarg); break;
    case 'w': options.window_ns = seconds(optarg); break;
    case 'd': options.drain_ns = seconds(optarg); break;
    case 'r': options.ramp_max_ns = seconds(optarg); break;
    case 'e': options.extra_life_ns = seconds(optarg); break;
    case 'S': options.is_direct = true; break;
    default: die("usage: generator --model-port P (--bridge-port P | --self) --calls N [--window S] … < calls");
    }
}

static void read_options(int argc, char **argv)
{
    for (int letter; (letter = getopt_long(argc, argv, "", LONG_OPTIONS, NULL)) != -1;)
        take_option(letter);
    if (optind < argc || !options.model_port || !options.calls || (!options.bridge_port && !options.is_direct))
        take_option('?');
    if (!options.certificate != !options.key)
        die("--certificate and --key belong together");
    if (options.certificate && options.is_direct)
        die("--self has no TLS: the phone side speaks none");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    transport_begin();
    phone_prepare();
    model_prepare();
    transport_watch(STDIN_FILENO, read_lines);
    timer_add(clock_ns() + options.ramp_max_ns, ramp_took_too_long, NULL);
    timer_add(clock_ns() + SECOND, second_passed, NULL);
    for (uint64_t woke_at = clock_ns(); !is_finished;) {
        uint64_t wait = fire_timers();
        if (phase == WINDOW)
            histogram_add(&health.turn, clock_ns() - woke_at);
        woke_at = transport_turn(wait);
        if (phase == CLOSING && all_sockets_closed())
            break;
    }
    print_report();
    return strcmp(outcome, "complete") == 0 ? 0 : 3;
}
