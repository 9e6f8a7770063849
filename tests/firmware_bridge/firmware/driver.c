/*
 * Drives firmground_head.h from a test: requests on standard input, one answer each on standard output.
 *
 * Request: operation u8, length u16, that many bytes. Answer: length u32, the bytes that the head wrote; length u32, what
 * it did to its "hardware": 'O' and the outputs, 'S' and the token of a self-test, 'R' and the relay. Little-endian; a
 * double is eight bytes of its own. It ends at the end of its input.
 */
#include "firmground_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX 65535u
#define ANSWER_MAX (1u << 22)
#define TEXT_SPACE 65536u

static uint8_t request[REQUEST_MAX];
static size_t request_count;
static size_t request_at;

static uint8_t wire[ANSWER_MAX];
static size_t wire_count;
static uint8_t deeds[ANSWER_MAX];
static size_t deed_count;

static fg_head head;
static fg_dictionary dictionary;
static fg_channel channels[256];
static char texts[TEXT_SPACE];
static size_t text_count;
static bool is_pressed;

/* ---- What the head does ---- */

static void write_bytes(void *context, const uint8_t *bytes, size_t count)
{
    (void)context;
    if (wire_count + count > ANSWER_MAX) {
        abort();
    }
    memcpy(&wire[wire_count], bytes, count);
    wire_count += count;
}

static void note(uint8_t deed)
{
    if (deed_count == ANSWER_MAX) {
        abort();
    }
    deeds[deed_count++] = deed;
}

static uint8_t set_outputs(void *context, uint8_t outputs)
{
    (void)context;
    note('O');
    note(outputs);
    return outputs;
}

static void start_self_test(void *context, uint32_t token)
{
    int shift;
    (void)context;
    note('S');
    for (shift = 0; shift < 32; shift += 8) {
        note((uint8_t)((token >> shift) & 0xFFu));
    }
}

static void set_relay(void *context, bool is_closed)
{
    (void)context;
    note('R');
    note(is_closed ? 1 : 0);
}

static bool resume_is_pressed(void *context)
{
    (void)context;
    return is_pressed;
}

/* ---- Reading a request ---- */

static uint64_t get(unsigned bytes)
{
    uint64_t value = 0;
    unsigned at;
    for (at = 0; at < bytes; at++) {
        if (request_at == request_count) {
            abort();
        }
        value |= (uint64_t)request[request_at++] << (8u * at);
    }
    return value;
}

static double get_double(void)
{
    const uint64_t bits = get(8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const char *get_text(void)
{
    const size_t length = (size_t)get(2);
    char *text = &texts[text_count];
    if (text_count + length + 1 > TEXT_SPACE || request_at + length > request_count) {
        abort();
    }
    memcpy(text, &request[request_at], length);
    text[length] = '\0';
    request_at += length;
    text_count += length + 1;
    return text;
}

static void get_dictionary(void)
{
    size_t at;
    text_count = 0;
    dictionary.id = (uint32_t)get(4);
    dictionary.is_simulated = get(1) != 0;
    dictionary.rate_hz = get_double();
    dictionary.model = get_text();
    dictionary.firmware = get_text();
    dictionary.serial = get_text();
    dictionary.channel_count = (uint8_t)get(1);
    dictionary.channels = channels;
    for (at = 0; at < dictionary.channel_count; at++) {
        channels[at].name = get_text();
        channels[at].unit = get_text();
        channels[at].scale = get_double();
        channels[at].gate_ns = (uint32_t)get(4);
        channels[at].x_mm = (int16_t)(uint16_t)get(2);
        channels[at].y_mm = (int16_t)(uint16_t)get(2);
        channels[at].z_mm = (int16_t)(uint16_t)get(2);
    }
}

/* ---- Operations ---- */

static void start(void)
{
    const uint64_t fitted = get(1); /* 1 outputs, 2 self-test, 4 relay */
    fg_port port = {0};
    get_dictionary();
    port.write = write_bytes;
    port.set_outputs = (fitted & 1u) ? set_outputs : NULL;
    port.start_self_test = (fitted & 2u) ? start_self_test : NULL;
    port.set_relay = (fitted & 4u) ? set_relay : NULL;
    port.resume_is_pressed = (fitted & 4u) ? resume_is_pressed : NULL;
    memset(&head, 0xA5, sizeof head); /* whatever it relies on, it must set */
    if (!fg_head_start(&head, &port, &dictionary)) {
        note('!');
    }
}

static void feed(void)
{
    const uint64_t now_us = get(8);
    while (request_at < request_count) {
        fg_head_feed(&head, request[request_at++], now_us);
    }
}

static void send_samples(void)
{
    static int32_t counts[255][255];
    fg_sample samples[255];
    const uint32_t sequence = (uint32_t)get(4);
    const uint8_t count = (uint8_t)get(1);
    size_t row;
    size_t column;
    for (row = 0; row < count; row++) {
        samples[row].time_us = get(8);
        samples[row].status = (uint16_t)get(2);
        samples[row].counts = counts[row];
        for (column = 0; column < dictionary.channel_count; column++) {
            counts[row][column] = (int32_t)(uint32_t)get(4);
        }
    }
    if (!fg_send_samples(&head, sequence, samples, count)) {
        note('!');
    }
}

static void send_status(void)
{
    fg_status status;
    status.uptime_ms = (uint32_t)get(4);
    status.temperature_centi_c = (int16_t)(uint16_t)get(2);
    status.supply_mv = (uint16_t)get(2);
    status.is_faulty = get(1) != 0;
    status.lamp_on = get(1) != 0;
    status.buzzer_on = get(1) != 0;
    fg_send_status(&head, &status);
}

static void send_lease_status(void)
{
    const uint32_t sequence = (uint32_t)get(4);
    const uint16_t remaining_ms = (uint16_t)get(2);
    const fg_lease_state state = (fg_lease_state)get(1);
    fg_send_lease_status(&head, sequence, remaining_ms, state, (fg_lease_stop_cause)get(1));
}

static void send_self_test_reply(void)
{
    const uint32_t token = (uint32_t)get(4);
    fg_send_self_test_reply(&head, token, &request[request_at]);
}

static void put_u32(uint64_t value)
{
    uint8_t bytes[4];
    int at;
    for (at = 0; at < 4; at++) {
        bytes[at] = (uint8_t)((value >> (8 * at)) & 0xFFu);
    }
    write_bytes(NULL, bytes, sizeof bytes);
}

static void tell_counters(void)
{
    put_u32(head.counters.frames);
    put_u32(head.counters.bad_checksum);
    put_u32(head.counters.malformed);
    put_u32(head.counters.unknown);
    put_u32(head.counters.bytes_skipped);
}

static void perform(int operation)
{
    uint32_t number;
    switch (operation) {
    case 's': start(); break;
    case 'f': feed(); break;
    case 't': number = (uint32_t)get(1); is_pressed = number != 0; fg_head_tick(&head, get(8)); break;
    case 'x': fg_head_stop(&head, get(8)); break;
    case 'c': tell_counters(); break;
    case 'D': get_dictionary(); if (!fg_head_set_dictionary(&head, &dictionary)) { note('!'); } break;
    case 'B': send_samples(); break;
    case 'S': send_status(); break;
    case 'E': send_self_test_reply(); break;
    case 'L': send_lease_status(); break;
    case 'T': number = (uint32_t)get(4); fg_send_time_reply(&head, number, get(8)); break;
    case 'P': number = (uint32_t)get(4); fg_send_pulse(&head, number, get(8)); break;
    case 'O': number = (uint32_t)get(4); fg_send_output_reply(&head, number, (uint8_t)get(1)); break;
    case 'H': number = (uint32_t)get(4); fg_send_hello_reply(&head, number, (uint8_t)get(1)); break;
    case 'C': put_u32(fg_crc32(0, request, request_count)); break;
    default: abort();
    }
}

static void answer(const uint8_t *bytes, size_t count)
{
    int at;
    for (at = 0; at < 4; at++) {
        (void)putchar((int)((count >> (8 * at)) & 0xFFu));
    }
    (void)fwrite(bytes, 1, count, stdout);
}

int main(void)
{
    int operation;
    while ((operation = getchar()) != EOF) {
        const int low = getchar();
        const int high = getchar();
        if (low == EOF || high == EOF) {
            return 1;
        }
        request_count = (size_t)low | ((size_t)high << 8);
        request_at = 0;
        wire_count = 0;
        deed_count = 0;
        if (fread(request, 1, request_count, stdin) != request_count) {
            return 1;
        }
        perform(operation);
        answer(wire, wire_count);
        answer(deeds, deed_count);
        (void)fflush(stdout);
    }
    return 0;
}
