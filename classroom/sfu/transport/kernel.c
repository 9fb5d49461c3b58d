/*
 * The inner loop of the SFU: header, payload, transport-wide number, SRTP and send of many bursts in one call.
 *
 * Knows nothing of Python: memory goes in by address, filled by compiled_egress.py, which has the same structs in the
 * same order. Sends with sendmmsg(2), and packets of one size to one address as segments of one message (UDP_SEGMENT).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define MAX_SEGMENTS 64
#define MAX_MESSAGES 64
#define MAX_MESSAGE_BYTES 60000
#define PACKET_ROOM_BYTES 2048
#define BUFFER_BYTES (256 * 1024) /* stays in the second-level cache between SRTP and the kernel */
#define HEADER_BYTES 12
#define EXTENSIONS_BYTES 60
#define TRAILER_BYTES 24
#define STAMP_AT 17 /* header, head of the extension block, head of its first element */
#define SEND_LOG_CAPACITY 4096

enum { NOT_STAMPED, NUMBERED, TIME_STAMPED };
enum { INSIDE, FRAME_START, TIMED, COMPLETE }; /* which extensions; COMPLETE brings its own header */

typedef int (*protect_function)(void *context, void *packet, int *size_bytes);

struct packet {
    const uint8_t *data; /* payload, or the whole packet */
    uint64_t capture_ntp;
    uint32_t seq;
    uint32_t ts;
    uint32_t size_bytes;
    uint8_t marker; /* 0x80 or 0 */
    uint8_t kind;
    uint16_t unused;
};

/* What is the same for all packets of a DownTrack. */
struct stream {
    void *srtp;
    double *times_s; /* of the SendLog, if NUMBERED */
    uint16_t *sizes_bytes;
    uint32_t stamp;
    uint32_t ssrc;
    uint32_t time_at;
    uint8_t pt;
    uint8_t extensions_bytes[3];
    uint8_t extensions[3][EXTENSIONS_BYTES];
    uint32_t address_bytes;
    struct sockaddr_storage address;
};

struct burst {
    const struct stream *stream;
    uint32_t first; /* packet */
    uint32_t count;
    uint32_t seq_offset;
    uint32_t ts_offset;
    uint32_t stamp; /* transport-wide number of its first packet, or the time of all */
    uint32_t unused;
};

struct message {
    struct iovec memory;
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))];
    uint32_t segment_bytes;
    uint32_t count;
};

struct sender {
    /* set by Python */
    protect_function protect;
    int32_t socket;
    int32_t gso;
    uint64_t datagrams;
    uint64_t calls;
    uint64_t dropped;
    /* ours */
    uint32_t messages;
    uint32_t used_bytes;
    struct mmsghdr headers[MAX_MESSAGES];
    struct message message[MAX_MESSAGES];
    uint8_t buffer[BUFFER_BYTES + PACKET_ROOM_BYTES];
};

uint32_t sender_bytes(void) { return sizeof(struct sender); }
uint32_t stream_bytes(void) { return sizeof(struct stream); }
uint32_t packet_bytes(void) { return sizeof(struct packet); }
uint32_t burst_bytes(void) { return sizeof(struct burst); }
uint32_t send_log_capacity(void) { return SEND_LOG_CAPACITY; }

static void put16(uint8_t *at, uint16_t value) { value = htons(value), memcpy(at, &value, sizeof value); }
static void put32(uint8_t *at, uint32_t value) { value = htonl(value), memcpy(at, &value, sizeof value); }

static uint32_t write_packet(uint8_t *at, const struct packet *packet, const struct burst *burst) {
    const struct stream *stream = burst->stream;
    if (packet->kind == COMPLETE) {
        memcpy(at, packet->data, packet->size_bytes);
        return packet->size_bytes;
    }
    uint32_t extensions_bytes = stream->extensions_bytes[packet->kind];
    at[0] = extensions_bytes ? 0x90 : 0x80;
    at[1] = stream->pt | packet->marker;
    put16(at + 2, (uint16_t)(packet->seq + burst->seq_offset));
    put32(at + 4, packet->ts + burst->ts_offset);
    put32(at + 8, stream->ssrc);
    memcpy(at + HEADER_BYTES, stream->extensions[packet->kind], extensions_bytes);
    if (packet->kind == TIMED && stream->time_at) {
        put32(at + stream->time_at, (uint32_t)(packet->capture_ntp >> 32));
        put32(at + stream->time_at + 4, (uint32_t)packet->capture_ntp);
    }
    memcpy(at + HEADER_BYTES + extensions_bytes, packet->data, packet->size_bytes);
    return HEADER_BYTES + extensions_bytes + packet->size_bytes;
}

static void send_one_by_one(struct sender *sender, const struct msghdr *header, const struct message *message) {
    uint8_t *at = message->memory.iov_base, *end = at + message->memory.iov_len;
    for (; at < end; at += message->segment_bytes) {
        size_t size = (size_t)(end - at) < message->segment_bytes ? (size_t)(end - at) : message->segment_bytes;
        sender->calls++;
        if (sendto(sender->socket, at, size, MSG_DONTWAIT, header->msg_name, header->msg_namelen) < 0)
            sender->dropped++; /* full, unreachable, gone: the peer's feedback or silence will tell */
        else
            sender->datagrams++;
    }
}

static void flush(struct sender *sender) {
    uint32_t at = 0;
    while (at < sender->messages) {
        int sent;
        sender->calls++;
        do
            sent = sendmmsg(sender->socket, sender->headers + at, sender->messages - at, MSG_DONTWAIT);
        while (sent < 0 && errno == EINTR);
        if (sent > 0) {
            for (int end = at + sent; (int)at < end; at++)
                sender->datagrams += sender->message[at].count;
            continue;
        }
        const struct message *message = &sender->message[at]; /* the first of them is refused */
        int segmented = message->count > 1;
        if (segmented && (errno == EIO || errno == ENOPROTOOPT || errno == EOPNOTSUPP)) {
            sender->gso = 0; /* this kernel or device cannot: from now on one by one */
            send_one_by_one(sender, &sender->headers[at].msg_hdr, message);
        } else if (segmented && (errno == EINVAL || errno == EMSGSIZE)) {
            send_one_by_one(sender, &sender->headers[at].msg_hdr, message); /* a segment exceeds the MTU of this path */
        } else {
            sender->dropped += message->count;
        }
        at++;
    }
    sender->messages = 0;
    sender->used_bytes = 0;
}

static void begin_message(struct sender *sender, const struct stream *stream, uint8_t *at) {
    struct message *message = &sender->message[sender->messages];
    struct msghdr *header = &sender->headers[sender->messages].msg_hdr;
    message->memory.iov_base = at;
    message->memory.iov_len = 0;
    message->count = 0;
    memset(header, 0, sizeof *header);
    header->msg_name = (void *)&stream->address;
    header->msg_namelen = stream->address_bytes;
    header->msg_iov = &message->memory;
    header->msg_iovlen = 1;
    sender->messages++;
}

static void let_segment(struct sender *sender) {
    struct message *message = &sender->message[sender->messages - 1];
    struct msghdr *header = &sender->headers[sender->messages - 1].msg_hdr;
    header->msg_control = message->control;
    header->msg_controllen = sizeof message->control;
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t segment_bytes = (uint16_t)message->segment_bytes;
    memcpy(CMSG_DATA(control), &segment_bytes, sizeof segment_bytes);
}

static void send_burst(struct sender *sender, const struct packet *packets, const struct burst *burst, double now) {
    const struct stream *stream = burst->stream;
    uint32_t stamp = burst->stamp;
    struct message *open = 0; /* the message that the next packet may join */
    for (uint32_t index = 0; index < burst->count; index++) {
        const struct packet *packet = &packets[burst->first + index];
        if (packet->size_bytes > PACKET_ROOM_BYTES - HEADER_BYTES - EXTENSIONS_BYTES - TRAILER_BYTES) {
            sender->dropped++;
            continue;
        }
        if (sender->used_bytes > BUFFER_BYTES || sender->messages == MAX_MESSAGES)
            flush(sender), open = 0;
        uint8_t *at = sender->buffer + sender->used_bytes;
        int size = (int)write_packet(at, packet, burst);
        if (stream->stamp != NOT_STAMPED)
            put16(at + STAMP_AT, (uint16_t)stamp);
        if (stream->stamp == NUMBERED) {
            stream->times_s[stamp % SEND_LOG_CAPACITY] = now;
            stream->sizes_bytes[stamp % SEND_LOG_CAPACITY] = (uint16_t)size;
            stamp++;
        }
        if (sender->protect(stream->srtp, at, &size)) {
            sender->dropped++;
            continue;
        }
        if (!open || size > (int)open->segment_bytes) {
            begin_message(sender, stream, at);
            open = &sender->message[sender->messages - 1];
            open->segment_bytes = (uint32_t)size;
        }
        open->memory.iov_len += (size_t)size;
        open->count++;
        sender->used_bytes += (uint32_t)size;
        if (open->count == 2)
            let_segment(sender);
        if (size < (int)open->segment_bytes || open->count == MAX_SEGMENTS || open->memory.iov_len > MAX_MESSAGE_BYTES ||
            !sender->gso)
            open = 0;
    }
}

/* Send bursts of these packets, in order. */
void send_bursts(struct sender *sender, const struct packet *packets, const struct burst *bursts, uint32_t count, double now) {
    for (uint32_t index = 0; index < count; index++)
        send_burst(sender, packets, &bursts[index], now);
    flush(sender);
}
