/*
 * firmground_head.h - the detector head's side of the Firmground head protocol, version 1.
 *
 * For authors of detector firmware. C99, one header, no dynamic memory, no library: it includes nothing but types.
 * docs/PROTOCOL.md is the specification; the project's tests hold this file to it byte for byte.
 *
 * In one source file of your firmware:
 *
 *     #define FIRMGROUND_HEAD_IMPLEMENTATION
 *     #include "firmground_head.h"
 *
 * and in the others the include alone. Then
 *
 *     static fg_head head;                             about 700 bytes
 *
 *     fg_head_start(&head, &port, &dictionary);        once: sends the dictionary
 *     fg_head_feed(&head, byte, now_us);               for each byte received
 *     fg_head_tick(&head, now_us);                     at least every 10 ms
 *     fg_send_samples(&head, sequence, samples, 1);    as samples are taken
 *     fg_send_status(&head, &status);                  about once a second
 *
 * and all the rest follows: requests for the dictionary, time queries, lamp and buzzer, self-test, version and the
 * motion lease are answered by fg_head_feed. example_head.c is a whole program.
 *
 * Rules for the caller
 * - Time is an argument: now_us is the device clock in microseconds since start. It never steps and never goes back.
 *   For fg_head_feed it is the instant at which the byte arrived: stamp the byte in its interrupt if you queue it.
 * - Call everything from one context. If fg_head_tick runs in a timer interrupt, block that interrupt around the other
 *   calls; none of them waits for anything but your own `write`.
 * - `write` should queue and return. If its queue is full it may drop: the host then loses the frames that were
 *   touched, and no other. A write that blocks delays the check of the lease.
 *
 * The double of your compiler must be IEEE 754 binary64 (avr-gcc: -mdouble=64).
 */
#ifndef FIRMGROUND_HEAD_H
#define FIRMGROUND_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest frame from the host that is read, encoded, without its zero byte. 270 holds every message of version 1;
 * longer frames are counted and skipped. May be lowered to 32 by a head that can do without the longest hellos. */
#ifndef FG_FRAME_BYTES_MAX
#define FG_FRAME_BYTES_MAX 270u
#endif

/* How long the resume input must be steady, released and then pressed, to count as a hand's press: contacts bounce for
 * some 10 ms, and a short disturbance on a long wire must not be a press. */
#ifndef FG_RESUME_STEADY_US
#define FG_RESUME_STEADY_US 50000u
#endif

#define FG_VERSION 1u
#define FG_VERSION_NONE 0u
#define FG_PAYLOAD_BYTES_MAX 4096u
#define FG_TEXT_BYTES_MAX 255u
#define FG_LEASE_MS_MAX 1000u

#define FG_NO_READING INT32_MIN     /* a count that stands for none */
#define FG_NO_GATE UINT32_MAX       /* an instrument without gates */
#define FG_NO_TEMPERATURE INT16_MIN
#define FG_NO_SUPPLY 0u

/* Bits of a sample's status. */
#define FG_SAMPLE_FAULT 1u            /* this sample must not be trusted */
#define FG_SAMPLE_SATURATED 2u        /* at least one channel clipped */
#define FG_SAMPLE_TRANSMITTER_OFF 4u  /* no primary field: nothing can be detected */
#define FG_SAMPLE_SELF_TEST 8u        /* an injected signal, not the ground */

/* Bits of the outputs. */
#define FG_LAMP 1u
#define FG_BUZZER 2u

/* Results of a self-test, one a channel. */
#define FG_FAILED 0u
#define FG_PASSED 1u
#define FG_NOT_TESTED 2u

/* One coil and gate. Texts are UTF-8, ended by NUL, at most 255 bytes. A reading is count * scale in `unit`. */
typedef struct {
    const char *name;
    const char *unit;
    double scale;
    uint32_t gate_ns;
    int16_t x_mm; /* forward */
    int16_t y_mm; /* left */
    int16_t z_mm; /* up */
} fg_channel;

/* What the head says of itself. `id` must change whenever anything else in here changes. */
typedef struct {
    uint32_t id;
    bool is_simulated; /* true for anything that is not a detector in the field: it makes the session simulated */
    double rate_hz;
    const char *model;
    const char *firmware;
    const char *serial;
    uint8_t channel_count; /* at least 1 */
    const fg_channel *channels;
} fg_dictionary;

/* One sample: `counts` holds as many as the dictionary has channels. */
typedef struct {
    uint64_t time_us;
    uint16_t status;
    const int32_t *counts;
} fg_sample;

/* Slow state. */
typedef struct {
    uint32_t uptime_ms;
    int16_t temperature_centi_c;
    uint16_t supply_mv;
    bool is_faulty;
    bool lamp_on;
    bool buzzer_on;
} fg_status;

/* The motion relay: numbers as on the wire. */
typedef enum {
    FG_LEASE_OFF = 0,      /* no relay */
    FG_LEASE_STOPPED = 1,  /* open; only a hand at the vehicle closes it, and only while a lease runs */
    FG_LEASE_PERMITTED = 2 /* closed */
} fg_lease_state;

/* Why it is open. */
typedef enum {
    FG_STOP_NONE = 0,
    FG_STOP_START = 1,     /* nobody has resumed since start */
    FG_STOP_EXPIRED = 2,   /* no grant came in time */
    FG_STOP_WITHDRAWN = 3, /* the host gave the lease up */
    FG_STOP_LOCAL = 4      /* fg_head_stop, or a clock that went back */
} fg_lease_stop_cause;

/* How far a press of the resume input has come; any loss of the lease takes it back to the beginning. */
typedef enum {
    FG_RESUME_AWAIT_RELEASE = 0, /* held since before the lease ran: does not count */
    FG_RESUME_RELEASED = 1,      /* released, not yet steadily */
    FG_RESUME_READY = 2,         /* steadily released: a press may begin */
    FG_RESUME_PRESSED = 3        /* pressed, not yet steadily */
} fg_resume_phase;

/* The lease. Its members are read only; the functions below are the only ones that write them. */
typedef struct {
    fg_lease_state state;
    fg_lease_stop_cause stop;
    bool is_running;      /* a lease runs */
    uint32_t sequence;    /* of the grant last taken */
    uint64_t deadline_us; /* while one runs: when it ends */
    uint64_t checked_us;  /* the last instant seen */
    fg_resume_phase resume;
    uint64_t resume_since_us;
} fg_lease;

/* What the head counts of the bytes it received. */
typedef struct {
    uint32_t frames;        /* good checksum */
    uint32_t bad_checksum;
    uint32_t malformed;     /* good frames whose content cannot be used */
    uint32_t unknown;       /* good frames of another version or type */
    uint32_t bytes_skipped; /* bytes that belonged to no frame */
} fg_counters;

/* What the head needs of your hardware. Only `write` must be there. */
typedef struct {
    void *context; /* handed to each of them */

    /* Send these bytes. Called several times a frame; the last byte of a frame is the only zero in it. */
    void (*write)(void *context, const uint8_t *bytes, size_t count);

    /* Set lamp and buzzer (FG_LAMP | FG_BUZZER) and return what they now are, read back where the hardware can: an
     * alarm counts as shown when this says so. NULL: the head has none, and says that they are off. */
    uint8_t (*set_outputs)(void *context, uint8_t outputs);

    /* Begin the self-test; when it is done, call fg_send_self_test_reply with this token. NULL: the head has none, and
     * says "not tested". */
    void (*start_self_test)(void *context, uint32_t token);

    /* The motion relay: energised (closed) or not. Called at every tick, so that no glitch lasts. With either of these
     * two NULL the lease is off. */
    void (*set_relay)(void *context, bool is_closed);

    /* The resume input at the vehicle, as it is at this instant; debounced here. Wire it so that a broken wire reads
     * as released. */
    bool (*resume_is_pressed)(void *context);
} fg_port;

/* One head. Its members are read only. */
typedef struct {
    fg_port port;
    const fg_dictionary *dictionary;
    fg_counters counters;
    fg_lease lease;
    fg_lease_state reported; /* the lease's state as the host last heard it */

    uint8_t received[FG_FRAME_BYTES_MAX]; /* the frame being received, unstuffed */
    uint16_t received_count;
    uint16_t frame_count; /* its bytes as they came */
    uint8_t block_left;   /* bytes before the next COBS code byte */
    bool has_zero_due;    /* the block that has ended stands for a zero, if anything follows it */
    bool is_skipping;     /* the frame is longer than FG_FRAME_BYTES_MAX */

    uint8_t block[256]; /* the COBS block being sent, its code byte first; room for the frame's zero */
    uint16_t block_count;
    bool is_after_full_block;
    uint32_t crc;
} fg_head;

/* ---- The head -------------------------------------------------------------------------------------------------- */

/* Start: opens the relay, sends a zero byte (which ends whatever the host had received before) and the dictionary.
 * False, and nothing done, when the dictionary cannot be sent (see fg_dictionary_is_valid) or there is no `write`.
 * Both pointers must stay valid; `port` is copied. */
bool fg_head_start(fg_head *head, const fg_port *port, const fg_dictionary *dictionary);

/* One byte from the host. No byte can do harm: what is damaged or unknown is counted. */
void fg_head_feed(fg_head *head, uint8_t byte, uint64_t now_us);

/* Check the lease, drive the relay, and report a change. At least every 10 ms: a relay opens that much late. */
void fg_head_tick(fg_head *head, uint64_t now_us);

/* Stop by the head itself: a fault. Call it as long as the fault lasts; motion then takes a hand again. */
void fg_head_stop(fg_head *head, uint64_t now_us);

/* Whether the dictionary can be sent: texts that are there and short enough, 1 to 255 channels, a positive rate and
 * scales, 4,096 bytes at most. */
bool fg_dictionary_is_valid(const fg_dictionary *dictionary);

/* ---- Messages; those that answer a command are sent by fg_head_feed itself -------------------------------------- */

/* A new dictionary, for instance after a change of gain; samples that follow belong to it. False as fg_head_start. */
bool fg_head_set_dictionary(fg_head *head, const fg_dictionary *dictionary);
void fg_send_dictionary(fg_head *head);

/* Consecutive samples, numbered first_sequence and up; one or two a frame are best. False, and nothing sent, when they
 * do not fit one frame or there are none. */
bool fg_send_samples(fg_head *head, uint32_t first_sequence, const fg_sample *samples, uint8_t count);
void fg_send_status(fg_head *head, const fg_status *status);

/* One result a channel, FG_PASSED and so on; `results` holds as many as the dictionary has channels. */
void fg_send_self_test_reply(fg_head *head, uint32_t token, const uint8_t *results);

/* The clock at an edge of a time pulse; `pulse` counts them. */
void fg_send_pulse(fg_head *head, uint32_t pulse, uint64_t edge_us);
void fg_send_time_reply(fg_head *head, uint32_t token, uint64_t time_us);
void fg_send_output_reply(fg_head *head, uint32_t token, uint8_t outputs);
void fg_send_hello_reply(fg_head *head, uint32_t token, uint8_t version);
void fg_send_lease_status(
    fg_head *head, uint32_t sequence, uint16_t remaining_ms, fg_lease_state state, fg_lease_stop_cause stop);

/* ---- The lease by itself; fg_head calls these ------------------------------------------------------------------- */

void fg_lease_start(fg_lease *lease, bool is_fitted);

/* A grant was received. It never closes the relay. */
void fg_lease_grant(fg_lease *lease, uint32_t sequence, uint16_t duration_ms, uint64_t now_us);

/* Whether the relay may be closed at this instant: the one place that says so. */
bool fg_lease_check(fg_lease *lease, uint64_t now_us, bool resume_is_pressed);

/* Stop for a reason of the head's own; the press of a hand begins anew. */
void fg_lease_stop(fg_lease *lease);

/* How long the lease runs after this instant, rounded up; 0: none runs. */
uint16_t fg_lease_remaining_ms(const fg_lease *lease, uint64_t now_us);

/* CRC-32 of zlib and Ethernet: begin with 0, hand in the last value to go on. */
uint32_t fg_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif
#endif /* FIRMGROUND_HEAD_H */

/* ================================================================================================================= */
#if defined(FIRMGROUND_HEAD_IMPLEMENTATION) && !defined(FIRMGROUND_HEAD_IMPLEMENTED)
#define FIRMGROUND_HEAD_IMPLEMENTED

#ifdef __cplusplus
extern "C" {
#endif

/* An array of negative size does not compile: these are the assumptions about compiler and configuration. */
typedef char fg_assert_double_is_binary64[(sizeof(double) == 8u) ? 1 : -1];
typedef char fg_assert_frame_size[((FG_FRAME_BYTES_MAX >= 32u) && (FG_FRAME_BYTES_MAX <= 4117u)) ? 1 : -1];

#define FG_TYPE_DICTIONARY_REQUEST 0x01u
#define FG_TYPE_TIME_QUERY 0x02u
#define FG_TYPE_OUTPUT_COMMAND 0x03u
#define FG_TYPE_SELF_TEST_REQUEST 0x04u
#define FG_TYPE_HELLO 0x05u
#define FG_TYPE_LEASE_GRANT 0x0Au
#define FG_TYPE_DICTIONARY 0x81u
#define FG_TYPE_TIME_REPLY 0x82u
#define FG_TYPE_OUTPUT_REPLY 0x83u
#define FG_TYPE_SELF_TEST_REPLY 0x84u
#define FG_TYPE_SAMPLES 0x85u
#define FG_TYPE_STATUS 0x86u
#define FG_TYPE_HELLO_REPLY 0x87u
#define FG_TYPE_PULSE 0x88u
#define FG_TYPE_LEASE_STATUS 0x8Au

#define FG_HEADER_BYTES 2u
#define FG_CRC_BYTES 4u
#define FG_BLOCK_BYTES_MAX 255u /* a COBS block: its code and 254 bytes */

/* ---- CRC-32 ----------------------------------------------------------------------------------------------------- */

/* Four bits at a time: a table of 64 bytes instead of 1,024. */
static const uint32_t fg_crc_table[16] = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
    0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
};

uint32_t fg_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    uint32_t value = ~crc;
    size_t at;
    for (at = 0u; at < count; at++) {
        value ^= bytes[at];
        value = (value >> 4) ^ fg_crc_table[value & 15u];
        value = (value >> 4) ^ fg_crc_table[value & 15u];
    }
    return ~value;
}

/* ---- Sending: one frame at a time, block by block, so that no frame needs a buffer of its size -------------------- */

static void fg_flush_block(fg_head *head)
{
    head->block[0] = (uint8_t)head->block_count;
    head->port.write(head->port.context, head->block, head->block_count);
    head->block_count = 1u;
}

/* Stuff one byte: a zero ends the block and is not sent; a block of 254 bytes ends by itself and stands for no zero. */
static void fg_stuff(fg_head *head, uint8_t byte)
{
    head->is_after_full_block = false;
    if (byte == 0u) {
        fg_flush_block(head);
        return;
    }
    head->block[head->block_count] = byte;
    head->block_count++;
    if (head->block_count == FG_BLOCK_BYTES_MAX) {
        fg_flush_block(head);
        head->is_after_full_block = true;
    }
}

static void fg_put_u8(fg_head *head, uint8_t value)
{
    head->crc = fg_crc32(head->crc, &value, 1u);
    fg_stuff(head, value);
}

static void fg_put_u16(fg_head *head, uint16_t value)
{
    fg_put_u8(head, (uint8_t)(value & 0xFFu));
    fg_put_u8(head, (uint8_t)((uint32_t)value >> 8));
}

static void fg_put_u32(fg_head *head, uint32_t value)
{
    fg_put_u16(head, (uint16_t)(value & 0xFFFFu));
    fg_put_u16(head, (uint16_t)(value >> 16));
}

static void fg_put_u64(fg_head *head, uint64_t value)
{
    fg_put_u32(head, (uint32_t)(value & 0xFFFFFFFFu));
    fg_put_u32(head, (uint32_t)(value >> 32));
}

static void fg_put_f64(fg_head *head, double value)
{
    uint64_t bits = 0u;
    const unsigned char *from = (const unsigned char *)&value;
    unsigned char *to = (unsigned char *)&bits;
    size_t at;
    for (at = 0u; at < sizeof bits; at++) {
        to[at] = from[at];
    }
    fg_put_u64(head, bits);
}

/* The length of a text; more than FG_TEXT_BYTES_MAX for one that is longer or not there. */
static uint32_t fg_text_length(const char *text)
{
    uint32_t length = 0u;
    if (text == NULL) {
        return FG_TEXT_BYTES_MAX + 1u;
    }
    while ((length <= FG_TEXT_BYTES_MAX) && (text[length] != '\0')) {
        length++;
    }
    return length;
}

static void fg_put_text(fg_head *head, const char *text)
{
    const uint32_t length = fg_text_length(text);
    uint32_t at;
    fg_put_u8(head, (uint8_t)length);
    for (at = 0u; at < length; at++) {
        fg_put_u8(head, (uint8_t)text[at]);
    }
}

static void fg_begin(fg_head *head, uint8_t type)
{
    head->block_count = 1u;
    head->is_after_full_block = false;
    head->crc = 0u;
    fg_put_u8(head, (uint8_t)FG_VERSION);
    fg_put_u8(head, type);
}

/* The checksum, the last block and the zero byte. */
static void fg_end(fg_head *head)
{
    const uint32_t crc = head->crc;
    uint32_t shift;
    for (shift = 0u; shift < 32u; shift += 8u) {
        fg_stuff(head, (uint8_t)((crc >> shift) & 0xFFu));
    }
    if (head->is_after_full_block) {
        head->block_count = 0u; /* nothing follows the full block: the frame has no further code byte */
    } else {
        head->block[0] = (uint8_t)head->block_count;
    }
    head->block[head->block_count] = 0u;
    head->port.write(head->port.context, head->block, (size_t)head->block_count + 1u);
}

/* ---- Messages --------------------------------------------------------------------------------------------------- */

static bool fg_is_positive(double value)
{
    return (value > 0.0) && (value < 1.0e300); /* neither infinite nor not a number */
}

bool fg_dictionary_is_valid(const fg_dictionary *dictionary)
{
    /* header, id, flags, rate, three text lengths, number of channels */
    uint32_t bytes = FG_HEADER_BYTES + 4u + 1u + 8u + 3u + 1u;
    uint32_t texts[3];
    uint32_t at;
    if ((dictionary == NULL) || (dictionary->channel_count == 0u) || (dictionary->channels == NULL)) {
        return false;
    }
    texts[0] = fg_text_length(dictionary->model);
    texts[1] = fg_text_length(dictionary->firmware);
    texts[2] = fg_text_length(dictionary->serial);
    for (at = 0u; at < 3u; at++) {
        if (texts[at] > FG_TEXT_BYTES_MAX) {
            return false;
        }
        bytes += texts[at];
    }
    for (at = 0u; at < dictionary->channel_count; at++) {
        const fg_channel *channel = &dictionary->channels[at];
        const uint32_t name = fg_text_length(channel->name);
        const uint32_t unit = fg_text_length(channel->unit);
        if ((name > FG_TEXT_BYTES_MAX) || (unit > FG_TEXT_BYTES_MAX) || !fg_is_positive(channel->scale)) {
            return false;
        }
        bytes += 1u + name + 1u + unit + 8u + 4u + 6u; /* two texts, scale, gate, position */
    }
    return fg_is_positive(dictionary->rate_hz) && (bytes <= FG_PAYLOAD_BYTES_MAX);
}

void fg_send_dictionary(fg_head *head)
{
    const fg_dictionary *dictionary = head->dictionary;
    uint32_t at;
    fg_begin(head, FG_TYPE_DICTIONARY);
    fg_put_u32(head, dictionary->id);
    fg_put_u8(head, dictionary->is_simulated ? 1u : 0u);
    fg_put_f64(head, dictionary->rate_hz);
    fg_put_text(head, dictionary->model);
    fg_put_text(head, dictionary->firmware);
    fg_put_text(head, dictionary->serial);
    fg_put_u8(head, dictionary->channel_count);
    for (at = 0u; at < dictionary->channel_count; at++) {
        const fg_channel *channel = &dictionary->channels[at];
        fg_put_text(head, channel->name);
        fg_put_text(head, channel->unit);
        fg_put_f64(head, channel->scale);
        fg_put_u32(head, channel->gate_ns);
        fg_put_u16(head, (uint16_t)channel->x_mm);
        fg_put_u16(head, (uint16_t)channel->y_mm);
        fg_put_u16(head, (uint16_t)channel->z_mm);
    }
    fg_end(head);
}

bool fg_head_set_dictionary(fg_head *head, const fg_dictionary *dictionary)
{
    if (!fg_dictionary_is_valid(dictionary)) {
        return false;
    }
    head->dictionary = dictionary;
    fg_send_dictionary(head);
    return true;
}

bool fg_send_samples(fg_head *head, uint32_t first_sequence, const fg_sample *samples, uint8_t count)
{
    const uint32_t channels = head->dictionary->channel_count;
    const uint32_t sample_bytes = 8u + 2u + (4u * channels); /* time, status, counts */
    uint32_t row;
    uint32_t column;
    if ((count == 0u) || ((FG_HEADER_BYTES + 10u + (count * sample_bytes)) > FG_PAYLOAD_BYTES_MAX)) {
        return false;
    }
    fg_begin(head, FG_TYPE_SAMPLES);
    fg_put_u32(head, head->dictionary->id);
    fg_put_u32(head, first_sequence);
    fg_put_u8(head, count);
    fg_put_u8(head, (uint8_t)channels);
    for (row = 0u; row < count; row++) {
        fg_put_u64(head, samples[row].time_us);
        fg_put_u16(head, samples[row].status);
        for (column = 0u; column < channels; column++) {
            fg_put_u32(head, (uint32_t)samples[row].counts[column]);
        }
    }
    fg_end(head);
    return true;
}

void fg_send_status(fg_head *head, const fg_status *status)
{
    const uint32_t flags =
        (status->is_faulty ? 1u : 0u) | (status->lamp_on ? 2u : 0u) | (status->buzzer_on ? 4u : 0u);
    fg_begin(head, FG_TYPE_STATUS);
    fg_put_u32(head, status->uptime_ms);
    fg_put_u16(head, (uint16_t)status->temperature_centi_c);
    fg_put_u16(head, status->supply_mv);
    fg_put_u8(head, (uint8_t)flags);
    fg_end(head);
}

/* `results` NULL: not tested, all of them. */
void fg_send_self_test_reply(fg_head *head, uint32_t token, const uint8_t *results)
{
    uint32_t at;
    fg_begin(head, FG_TYPE_SELF_TEST_REPLY);
    fg_put_u32(head, token);
    fg_put_u8(head, head->dictionary->channel_count);
    for (at = 0u; at < head->dictionary->channel_count; at++) {
        fg_put_u8(head, (results == NULL) ? (uint8_t)FG_NOT_TESTED : results[at]);
    }
    fg_end(head);
}

static void fg_send_number_and_time(fg_head *head, uint8_t type, uint32_t number, uint64_t time_us)
{
    fg_begin(head, type);
    fg_put_u32(head, number);
    fg_put_u64(head, time_us);
    fg_end(head);
}

void fg_send_pulse(fg_head *head, uint32_t pulse, uint64_t edge_us)
{
    fg_send_number_and_time(head, FG_TYPE_PULSE, pulse, edge_us);
}

void fg_send_time_reply(fg_head *head, uint32_t token, uint64_t time_us)
{
    fg_send_number_and_time(head, FG_TYPE_TIME_REPLY, token, time_us);
}

static void fg_send_token_and_byte(fg_head *head, uint8_t type, uint32_t token, uint8_t byte)
{
    fg_begin(head, type);
    fg_put_u32(head, token);
    fg_put_u8(head, byte);
    fg_end(head);
}

void fg_send_output_reply(fg_head *head, uint32_t token, uint8_t outputs)
{
    fg_send_token_and_byte(head, FG_TYPE_OUTPUT_REPLY, token, outputs);
}

void fg_send_hello_reply(fg_head *head, uint32_t token, uint8_t version)
{
    fg_send_token_and_byte(head, FG_TYPE_HELLO_REPLY, token, version);
}

void fg_send_lease_status(
    fg_head *head, uint32_t sequence, uint16_t remaining_ms, fg_lease_state state, fg_lease_stop_cause stop)
{
    fg_begin(head, FG_TYPE_LEASE_STATUS);
    fg_put_u32(head, sequence);
    fg_put_u16(head, remaining_ms);
    fg_put_u8(head, (uint8_t)state);
    fg_put_u8(head, (uint8_t)stop);
    fg_end(head);
}

/* ---- The lease -------------------------------------------------------------------------------------------------- */

void fg_lease_start(fg_lease *lease, bool is_fitted)
{
    lease->state = is_fitted ? FG_LEASE_STOPPED : FG_LEASE_OFF;
    lease->stop = is_fitted ? FG_STOP_START : FG_STOP_NONE;
    lease->is_running = false;
    lease->sequence = 0u;
    lease->deadline_us = 0u;
    lease->checked_us = 0u;
    lease->resume = FG_RESUME_AWAIT_RELEASE;
    lease->resume_since_us = 0u;
}

/* Open the relay if it is closed, remember why, and let the press of a hand begin anew. */
static void fg_lease_open(fg_lease *lease, fg_lease_stop_cause cause)
{
    lease->resume = FG_RESUME_AWAIT_RELEASE;
    if (lease->state == FG_LEASE_PERMITTED) {
        lease->state = FG_LEASE_STOPPED;
        lease->stop = cause;
    }
}

/* No lease runs any more. */
static void fg_lease_lose(fg_lease *lease, fg_lease_stop_cause cause)
{
    lease->is_running = false;
    fg_lease_open(lease, cause);
}

/* Bring the lease to this instant. Every way in comes through here first, so that a grant which arrives after the
 * deadline finds the lease lost, whether or not anybody looked in between. */
static void fg_lease_advance(fg_lease *lease, uint64_t now_us)
{
    if (now_us < lease->checked_us) {
        fg_lease_lose(lease, FG_STOP_LOCAL); /* a clock that went back measures nothing */
    }
    lease->checked_us = now_us;
    if (lease->is_running && (now_us >= lease->deadline_us)) {
        fg_lease_lose(lease, FG_STOP_EXPIRED);
    }
}

void fg_lease_grant(fg_lease *lease, uint32_t sequence, uint16_t duration_ms, uint64_t now_us)
{
    const uint32_t ahead = sequence - lease->sequence; /* modulo 2^32 */
    if ((lease->state == FG_LEASE_OFF) || (duration_ms > FG_LEASE_MS_MAX)) {
        return;
    }
    fg_lease_advance(lease, now_us);
    if (duration_ms == 0u) {
        lease->sequence = sequence;
        fg_lease_lose(lease, FG_STOP_WITHDRAWN);
        return;
    }
    if (lease->is_running && ((ahead == 0u) || (ahead > 0x7FFFFFFFu))) {
        return; /* repeated or late: it must not extend */
    }
    lease->sequence = sequence;
    lease->is_running = true;
    lease->deadline_us = now_us + ((uint64_t)duration_ms * 1000u);
}

/* One step of a press: released steadily, then pressed steadily, all while a lease runs. True when it is complete. */
static bool fg_resume_step(fg_lease *lease, uint64_t now_us, bool is_pressed)
{
    const bool is_steady = (now_us - lease->resume_since_us) >= FG_RESUME_STEADY_US;
    switch (lease->resume) {
    case FG_RESUME_AWAIT_RELEASE:
        if (!is_pressed) {
            lease->resume = FG_RESUME_RELEASED;
            lease->resume_since_us = now_us;
        }
        return false;
    case FG_RESUME_RELEASED:
        if (is_pressed) {
            lease->resume = FG_RESUME_AWAIT_RELEASE;
        } else if (is_steady) {
            lease->resume = FG_RESUME_READY;
        } else {
            /* still waiting */
        }
        return false;
    case FG_RESUME_READY:
        if (is_pressed) {
            lease->resume = FG_RESUME_PRESSED;
            lease->resume_since_us = now_us;
        }
        return false;
    case FG_RESUME_PRESSED:
        if (!is_pressed) {
            lease->resume = FG_RESUME_AWAIT_RELEASE;
            return false;
        }
        return is_steady;
    default:
        lease->resume = FG_RESUME_AWAIT_RELEASE;
        return false;
    }
}

bool fg_lease_check(fg_lease *lease, uint64_t now_us, bool resume_is_pressed)
{
    if (lease->state == FG_LEASE_OFF) {
        return false;
    }
    fg_lease_advance(lease, now_us);
    if ((lease->state == FG_LEASE_STOPPED) && lease->is_running &&
        fg_resume_step(lease, now_us, resume_is_pressed)) {
        lease->state = FG_LEASE_PERMITTED;
        lease->stop = FG_STOP_NONE;
    }
    return lease->state == FG_LEASE_PERMITTED;
}

void fg_lease_stop(fg_lease *lease)
{
    fg_lease_open(lease, FG_STOP_LOCAL);
}

uint16_t fg_lease_remaining_ms(const fg_lease *lease, uint64_t now_us)
{
    if (!lease->is_running || (now_us >= lease->deadline_us)) {
        return 0u;
    }
    return (uint16_t)(((lease->deadline_us - now_us) + 999u) / 1000u);
}

/* ---- The head --------------------------------------------------------------------------------------------------- */

static bool fg_has_relay(const fg_head *head)
{
    return (head->port.set_relay != NULL) && (head->port.resume_is_pressed != NULL);
}

/* The relay first, then the message: a slow line must not delay a stop. */
static void fg_drive_relay(fg_head *head)
{
    if (fg_has_relay(head)) {
        head->port.set_relay(head->port.context, head->lease.state == FG_LEASE_PERMITTED);
    }
}

static void fg_report_lease(fg_head *head, uint64_t now_us)
{
    head->reported = head->lease.state;
    fg_send_lease_status(head, head->lease.sequence, fg_lease_remaining_ms(&head->lease, now_us), head->lease.state,
        head->lease.stop);
}

bool fg_head_start(fg_head *head, const fg_port *port, const fg_dictionary *dictionary)
{
    static const uint8_t end_of_frame = 0u;
    if ((port == NULL) || (port->write == NULL) || !fg_dictionary_is_valid(dictionary)) {
        return false;
    }
    head->port = *port;
    head->dictionary = dictionary;
    head->counters.frames = 0u;
    head->counters.bad_checksum = 0u;
    head->counters.malformed = 0u;
    head->counters.unknown = 0u;
    head->counters.bytes_skipped = 0u;
    head->received_count = 0u;
    head->frame_count = 0u;
    head->block_left = 0u;
    head->has_zero_due = false;
    head->is_skipping = false;
    fg_lease_start(&head->lease, fg_has_relay(head));
    fg_drive_relay(head);
    head->reported = head->lease.state;
    head->port.write(head->port.context, &end_of_frame, 1u);
    fg_send_dictionary(head);
    return true;
}

void fg_head_tick(fg_head *head, uint64_t now_us)
{
    if (!fg_has_relay(head)) {
        return;
    }
    (void)fg_lease_check(&head->lease, now_us, head->port.resume_is_pressed(head->port.context));
    fg_drive_relay(head);
    if (head->lease.state != head->reported) {
        fg_report_lease(head, now_us);
    }
}

void fg_head_stop(fg_head *head, uint64_t now_us)
{
    fg_lease_stop(&head->lease);
    fg_drive_relay(head);
    if (head->lease.state != head->reported) {
        fg_report_lease(head, now_us);
    }
}

static uint16_t fg_get_u16(const uint8_t *bytes)
{
    return (uint16_t)((uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8));
}

static uint32_t fg_get_u32(const uint8_t *bytes)
{
    return (uint32_t)fg_get_u16(bytes) | ((uint32_t)fg_get_u16(&bytes[2]) << 16);
}

/* The commands: each returns false when its body cannot be used. */

static bool fg_take_output_command(fg_head *head, const uint8_t *body, uint32_t count)
{
    uint8_t outputs = 0u;
    if ((count != 5u) || ((body[4] & ~(FG_LAMP | FG_BUZZER)) != 0u)) {
        return false;
    }
    if (head->port.set_outputs != NULL) {
        outputs = head->port.set_outputs(head->port.context, body[4]);
    }
    fg_send_output_reply(head, fg_get_u32(body), (uint8_t)(outputs & (FG_LAMP | FG_BUZZER)));
    return true;
}

static bool fg_take_self_test_request(fg_head *head, const uint8_t *body, uint32_t count)
{
    if (count != 4u) {
        return false;
    }
    if (head->port.start_self_test != NULL) {
        head->port.start_self_test(head->port.context, fg_get_u32(body));
    } else {
        fg_send_self_test_reply(head, fg_get_u32(body), NULL);
    }
    return true;
}

static bool fg_take_hello(fg_head *head, const uint8_t *body, uint32_t count)
{
    uint8_t chosen = FG_VERSION_NONE;
    uint32_t at;
    if ((count < 6u) || ((uint32_t)body[4] != (count - 5u))) {
        return false;
    }
    for (at = 5u; at < count; at++) {
        if (body[at] == FG_VERSION_NONE) {
            return false;
        }
        if (body[at] == FG_VERSION) {
            chosen = FG_VERSION;
        }
    }
    fg_send_hello_reply(head, fg_get_u32(body), chosen);
    return true;
}

static bool fg_take_lease_grant(fg_head *head, const uint8_t *body, uint32_t count, uint64_t now_us)
{
    uint16_t duration_ms;
    if (count != 6u) {
        return false;
    }
    duration_ms = fg_get_u16(&body[4]);
    if (duration_ms > FG_LEASE_MS_MAX) {
        return false;
    }
    if (head->lease.state == FG_LEASE_OFF) {
        fg_send_lease_status(head, fg_get_u32(body), 0u, FG_LEASE_OFF, FG_STOP_NONE);
        return true;
    }
    fg_lease_grant(&head->lease, fg_get_u32(body), duration_ms, now_us);
    fg_drive_relay(head);
    fg_report_lease(head, now_us);
    return true;
}

/* A good frame: its payload, by type. */
static void fg_dispatch(fg_head *head, uint32_t count, uint64_t now_us)
{
    const uint8_t *body = &head->received[FG_HEADER_BYTES];
    uint32_t body_count;
    bool is_used = false;
    if (count < FG_HEADER_BYTES) {
        head->counters.malformed++;
        return;
    }
    body_count = count - FG_HEADER_BYTES;
    if (head->received[0] != FG_VERSION) {
        head->counters.unknown++;
        return;
    }
    switch (head->received[1]) {
    case FG_TYPE_DICTIONARY_REQUEST:
        is_used = (body_count == 0u);
        if (is_used) {
            fg_send_dictionary(head);
        }
        break;
    case FG_TYPE_TIME_QUERY:
        is_used = (body_count == 4u);
        if (is_used) {
            fg_send_time_reply(head, fg_get_u32(body), now_us);
        }
        break;
    case FG_TYPE_OUTPUT_COMMAND:
        is_used = fg_take_output_command(head, body, body_count);
        break;
    case FG_TYPE_SELF_TEST_REQUEST:
        is_used = fg_take_self_test_request(head, body, body_count);
        break;
    case FG_TYPE_HELLO:
        is_used = fg_take_hello(head, body, body_count);
        break;
    case FG_TYPE_LEASE_GRANT:
        is_used = fg_take_lease_grant(head, body, body_count, now_us);
        break;
    default:
        head->counters.unknown++;
        return;
    }
    if (!is_used) {
        head->counters.malformed++;
    }
}

/* The zero byte has come: is what lies before it a frame? */
static void fg_take_frame(fg_head *head, uint64_t now_us)
{
    const uint32_t count = head->received_count;
    uint32_t payload_count;
    uint32_t crc;
    if ((count > FG_CRC_BYTES) && (head->block_left == 0u)) {
        payload_count = count - FG_CRC_BYTES;
        crc = fg_get_u32(&head->received[payload_count]);
        if (crc == fg_crc32(0u, head->received, payload_count)) {
            head->counters.frames++;
            fg_dispatch(head, payload_count, now_us);
            return;
        }
    }
    head->counters.bad_checksum++;
    head->counters.bytes_skipped += head->frame_count;
}

static void fg_keep(fg_head *head, uint8_t byte)
{
    /* Unstuffing never lengthens, so there is always room; the comparison is for the reader of the object code. */
    if (head->received_count < FG_FRAME_BYTES_MAX) {
        head->received[head->received_count] = byte;
        head->received_count++;
    }
}

void fg_head_feed(fg_head *head, uint8_t byte, uint64_t now_us)
{
    if (byte == 0u) {
        if ((head->frame_count > 0u) && !head->is_skipping) {
            fg_take_frame(head, now_us);
        }
        head->received_count = 0u;
        head->frame_count = 0u;
        head->block_left = 0u;
        head->has_zero_due = false;
        head->is_skipping = false;
        return;
    }
    if (head->is_skipping) {
        head->counters.bytes_skipped++;
        return;
    }
    head->frame_count++;
    if (head->frame_count > FG_FRAME_BYTES_MAX) {
        head->counters.bytes_skipped += head->frame_count;
        head->is_skipping = true;
        return;
    }
    if (head->block_left > 0u) {
        head->block_left--;
        fg_keep(head, byte);
        return;
    }
    if (head->has_zero_due) {
        fg_keep(head, 0u);
    }
    head->block_left = (uint8_t)(byte - 1u);
    head->has_zero_due = (byte != FG_BLOCK_BYTES_MAX);
}

#ifdef __cplusplus
}
#endif
#endif /* FIRMGROUND_HEAD_IMPLEMENTATION */
