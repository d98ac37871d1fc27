/* Preloaded into wrk (LD_PRELOAD): gives it a client certificate, which it cannot be given otherwise, keeps it from
 * resuming TLS sessions where full handshakes are measured, and counts in a shared file what it does, so that the
 * harness can look at a window in the middle of a run, after all connections stand.
 *
 * Environment: SHIM_COUNTERS   file of sizeof(struct counters) bytes, made by the harness
 *              SHIM_CERTIFICATE, SHIM_KEY   PEM files; absent: no client certificate is presented
 *              SHIM_RESUME     "1": a reconnecting client offers its TLS session, as wrk does by itself
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 200000       /* the last one holds everything slower */
#define BUCKET_MICROSECONDS 10

struct counters { /* load.py reads this layout */
    uint64_t handshakes, resumed, failed, answered, requests, latency[BUCKETS];
};

static struct counters *counters;
static int resume;
static int sent_at; /* index of the slot of an SSL that holds when its request went out */
static int seen;    /* index of the slot that says that an answer has come */

static void fail(const char *what) {
    fprintf(stderr, "shim: %s\n", what);
    ERR_print_errors_fp(stderr);
    _exit(70);
}

static void *real(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) fail(name);
    return function;
}

static void count(uint64_t *counter, uint64_t amount) { __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED); }

static uint64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("SHIM_COUNTERS");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd < 0) fail("SHIM_COUNTERS cannot be opened");
    counters = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counters == MAP_FAILED) fail("mmap");
    close(fd);
    resume = getenv("SHIM_RESUME") != NULL;
}

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
    static SSL_CTX *(*make)(const SSL_METHOD *);
    if (!make) make = real("SSL_CTX_new");
    SSL_CTX *context = make(method);
    if (!context) fail("SSL_CTX_new");
    const char *certificate = getenv("SHIM_CERTIFICATE"), *key = getenv("SHIM_KEY");
    if (!SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION)) fail("TLS 1.3");
    if (certificate && SSL_CTX_use_certificate_chain_file(context, certificate) != 1) fail(certificate);
    if (key && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) fail(key);
    sent_at = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    seen = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return context;
}

int SSL_connect(SSL *ssl) {
    static int (*connect)(SSL *);
    if (!connect) connect = real("SSL_connect");
    int result = connect(ssl);
    if (result == 1) {
        count(&counters->handshakes, 1);
        if (SSL_session_reused(ssl)) count(&counters->resumed, 1);
    } else if (SSL_get_error(ssl, result) == SSL_ERROR_SSL) {
        count(&counters->failed, 1);
    }
    return result;
}

/* wrk clears and reuses an SSL to reconnect; OpenSSL keeps the session over SSL_clear and offers it again. */
int SSL_clear(SSL *ssl) {
    static int (*clear)(SSL *);
    if (!clear) clear = real("SSL_clear");
    int result = clear(ssl);
    if (!resume) SSL_set_session(ssl, NULL);
    SSL_set_ex_data(ssl, sent_at, NULL);
    return result;
}

/* wrk writes one request with one call, repeated until it succeeds, which is when the whole request is out. */
int SSL_write(SSL *ssl, const void *buffer, int length) {
    static int (*write)(SSL *, const void *, int);
    if (!write) write = real("SSL_write");
    if (!SSL_get_ex_data(ssl, sent_at)) SSL_set_ex_data(ssl, sent_at, (void *)(uintptr_t)microseconds());
    int result = write(ssl, buffer, length);
    if (result > 0) count(&counters->requests, 1);
    return result;
}

/* A connection counts as answered once; it stays so when it reconnects. The latency is the time from the first attempt to write the request to the first bytes of the answer. */
int SSL_read(SSL *ssl, void *buffer, int length) {
    static int (*read)(SSL *, void *, int);
    if (!read) read = real("SSL_read");
    int result = read(ssl, buffer, length);
    if (result <= 0) return result;
    if (!SSL_get_ex_data(ssl, seen)) {
        count(&counters->answered, 1);
        SSL_set_ex_data(ssl, seen, ssl);
    }
    uint64_t begin = (uint64_t)(uintptr_t)SSL_get_ex_data(ssl, sent_at);
    if (begin) {
        uint64_t taken = (microseconds() - begin) / BUCKET_MICROSECONDS;
        count(&counters->latency[taken < BUCKETS ? taken : BUCKETS - 1], 1);
        SSL_set_ex_data(ssl, sent_at, NULL);
    }
    return result;
}
