/*
 * example_head.c - a whole small detector head on a POSIX system, with firmground_head.h.
 *
 *     cc -std=c99 -o example_head example_head.c
 *     ./example_head [--lease] [tty]
 *
 * Speaks over the tty, or over standard input and output without one. Two made-up channels at 100 Hz, marked as
 * simulated; lamp, buzzer and relay are variables. With --lease it has a motion relay, and the signal SIGUSR1 stands
 * for a hand at the vehicle that presses the resume button once. It ends when its input does.
 */
#define _POSIX_C_SOURCE 200809L

#define FIRMGROUND_HEAD_IMPLEMENTATION
#include "firmground_head.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHANNELS 2u
#define SAMPLE_US 10000u    /* 100 Hz; also how often the lease is checked */
#define SECOND_US 1000000u
#define PRESS_US 100000u    /* how long the make-believe hand holds the button */
#define SELF_TEST_US 50000u /* how long the make-believe self-test takes */
#define OUTGOING_BYTES 4200u

static const fg_channel channels[CHANNELS] = {
    {"left", "uV", 0.05, 80000u, 0, 150, 20},
    {"right", "uV", 0.05, 80000u, 0, -150, 20},
};

static const fg_dictionary dictionary = {
    0x45584831u, true, 100.0, "example head", "1.0", "E-0001", CHANNELS, channels,
};

/* The "hardware" of this head. */
typedef struct {
    int input;
    int output;
    uint8_t outgoing[OUTGOING_BYTES]; /* one frame, gathered so that it is written at once */
    size_t outgoing_count;
    uint8_t outputs;
    bool is_relay_closed;
    uint64_t now_us;
    uint64_t pressed_until_us;
    bool is_testing;
    uint32_t self_test_token;
    uint64_t self_test_done_us;
} machine;

static volatile sig_atomic_t is_hand_there = 0;

static void on_hand(int number)
{
    (void)number;
    is_hand_there = 1;
}

/* The device clock: microseconds since this program started. */
static uint64_t clock_us(void)
{
    static uint64_t start_us = 0u;
    struct timespec time;
    uint64_t us;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    us = ((uint64_t)time.tv_sec * SECOND_US) + ((uint64_t)time.tv_nsec / 1000u);
    if (start_us == 0u) {
        start_us = us;
    }
    return us - start_us;
}

/* Gather a frame and write it at its zero byte. A tty that takes no more loses the rest of it: never wait, the lease
 * must be checked. (Standard output may make it wait.) The zero byte before each frame ends whatever was cut. */
static void write_bytes(void *context, const uint8_t *bytes, size_t count)
{
    machine *hardware = context;
    ssize_t written;
    if ((hardware->outgoing_count + count) > OUTGOING_BYTES) {
        hardware->outgoing_count = 0u; /* cannot happen: it holds the longest frame */
        return;
    }
    memcpy(&hardware->outgoing[hardware->outgoing_count], bytes, count);
    hardware->outgoing_count += count;
    if (hardware->outgoing[hardware->outgoing_count - 1u] == 0u) {
        written = write(hardware->output, hardware->outgoing, hardware->outgoing_count);
        (void)written;
        hardware->outgoing[0] = 0u;
        hardware->outgoing_count = 1u;
    }
}

static uint8_t set_outputs(void *context, uint8_t outputs)
{
    machine *hardware = context;
    hardware->outputs = outputs;
    return hardware->outputs;
}

static void start_self_test(void *context, uint32_t token)
{
    machine *hardware = context;
    hardware->is_testing = true;
    hardware->self_test_token = token;
    hardware->self_test_done_us = hardware->now_us + SELF_TEST_US;
}

static void set_relay(void *context, bool is_closed)
{
    machine *hardware = context;
    hardware->is_relay_closed = is_closed;
}

static bool resume_is_pressed(void *context)
{
    const machine *hardware = context;
    return hardware->now_us < hardware->pressed_until_us;
}

/* A slow saw tooth instead of the ground; both channels move against each other. */
static void send_sample(fg_head *head, const machine *hardware, uint32_t sequence, uint64_t time_us)
{
    int32_t counts[CHANNELS];
    fg_sample sample;
    counts[0] = (int32_t)(sequence % 100u);
    counts[1] = -counts[0];
    sample.time_us = time_us;
    sample.status = hardware->is_testing ? FG_SAMPLE_SELF_TEST : 0u;
    sample.counts = counts;
    (void)fg_send_samples(head, sequence, &sample, 1u);
}

static void send_status(fg_head *head, const machine *hardware)
{
    fg_status status;
    status.uptime_ms = (uint32_t)(hardware->now_us / 1000u);
    status.temperature_centi_c = 2150;
    status.supply_mv = 12100u;
    status.is_faulty = false;
    status.lamp_on = (hardware->outputs & FG_LAMP) != 0u;
    status.buzzer_on = (hardware->outputs & FG_BUZZER) != 0u;
    fg_send_status(head, &status);
}

/* 8 bits, no echo, no translation of anything. */
static int open_line(const char *path)
{
    struct termios settings;
    const int line = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if ((line < 0) || (tcgetattr(line, &settings) != 0)) {
        return -1;
    }
    settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXOFF);
    settings.c_oflag &= ~(tcflag_t)OPOST;
    settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings.c_cflag &= ~(tcflag_t)(CSIZE | PARENB | CSTOPB);
    settings.c_cflag |= (tcflag_t)(CS8 | CREAD | CLOCAL);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    (void)cfsetispeed(&settings, B115200);
    (void)cfsetospeed(&settings, B115200);
    return (tcsetattr(line, TCSANOW, &settings) == 0) ? line : -1;
}

/* Hand what has arrived to the head, stamped once. False at the end of the input. */
static bool hear(fg_head *head, machine *hardware)
{
    uint8_t bytes[256];
    const ssize_t count = read(hardware->input, bytes, sizeof bytes);
    ssize_t at;
    if (count < 0) {
        return (errno == EINTR) || (errno == EAGAIN);
    }
    hardware->now_us = clock_us();
    for (at = 0; at < count; at++) {
        fg_head_feed(head, bytes[at], hardware->now_us);
    }
    return count > 0;
}

static void run(fg_head *head, machine *hardware)
{
    uint64_t next_sample_us = SAMPLE_US;
    uint64_t next_second_us = SECOND_US;
    uint32_t sequence = 0u;
    uint32_t pulse = 0u;
    bool is_open = true;
    while (is_open) {
        struct pollfd readable;
        const uint64_t before_us = clock_us();
        const uint64_t wait_us = (next_sample_us > before_us) ? (next_sample_us - before_us) : 0u;
        readable.fd = hardware->input;
        readable.events = POLLIN;
        readable.revents = 0;
        if (poll(&readable, 1, (int)((wait_us + 999u) / 1000u)) > 0) {
            is_open = hear(head, hardware);
        }
        hardware->now_us = clock_us();
        if (is_hand_there != 0) {
            is_hand_there = 0;
            hardware->pressed_until_us = hardware->now_us + PRESS_US;
        }
        fg_head_tick(head, hardware->now_us);
        if (hardware->is_testing && (hardware->now_us >= hardware->self_test_done_us)) {
            static const uint8_t results[CHANNELS] = {FG_PASSED, FG_PASSED};
            hardware->is_testing = false;
            fg_send_self_test_reply(head, hardware->self_test_token, results);
        }
        while (hardware->now_us >= next_sample_us) {
            send_sample(head, hardware, sequence, next_sample_us);
            sequence++;
            next_sample_us += SAMPLE_US;
        }
        if (hardware->now_us >= next_second_us) { /* a made-up time pulse: the clock's own full second */
            pulse++;
            fg_send_pulse(head, pulse, next_second_us);
            send_status(head, hardware);
            next_second_us += SECOND_US;
        }
    }
    fg_head_stop(head, hardware->now_us); /* nobody is left who could keep the relay closed */
}

int main(int count, char **arguments)
{
    static machine hardware; /* all zero */
    static fg_head head;
    struct sigaction action;
    fg_port port = {0};
    bool is_lease_fitted = false;
    const char *path = NULL;
    int at;
    for (at = 1; at < count; at++) {
        if (strcmp(arguments[at], "--lease") == 0) {
            is_lease_fitted = true;
        } else {
            path = arguments[at];
        }
    }
    hardware.input = (path == NULL) ? STDIN_FILENO : open_line(path);
    hardware.output = (path == NULL) ? STDOUT_FILENO : hardware.input;
    if (hardware.input < 0) {
        perror(path);
        return 1;
    }
    memset(&action, 0, sizeof action);
    action.sa_handler = on_hand;
    (void)sigaction(SIGUSR1, &action, NULL);
    port.context = &hardware;
    port.write = write_bytes;
    port.set_outputs = set_outputs;
    port.start_self_test = start_self_test;
    port.set_relay = is_lease_fitted ? set_relay : NULL;
    port.resume_is_pressed = is_lease_fitted ? resume_is_pressed : NULL;
    hardware.now_us = clock_us();
    if (!fg_head_start(&head, &port, &dictionary)) {
        return 1;
    }
    run(&head, &hardware);
    return 0;
}
