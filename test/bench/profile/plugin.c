// A plugin for QEMU that says where a guest's CPU is.
//
//   -plugin PLUGIN,mode=count,out=FILE    instructions of each translation block: the same in every run, whatever the load
//   -plugin PLUGIN,mode=blocks,out=FILE   the blocks themselves, each as often as it was translated
//   -plugin PLUGIN,mode=time,out=FILE     wall time by samples, of the blocks and of QEMU's translation of them
//   -plugin PLUGIN,mode=between,start=HEX,end=HEX,out=FILE
//                                         instructions from the last time that code which begins with these bytes was entered until the
//                                         first time that the other was, written to the file as soon as it is known
//   -plugin PLUGIN,mode=marks,start=HEX,out=FILE
//                                         instructions so far whenever code which begins with these bytes is entered, a line each
//   -plugin PLUGIN,mode=count,start=HEX,from=N,out=FILE
//                                         instructions of each block from the Nth time that such code is entered (0 is the first) to the next
//
// In the first three modes, at the end of QEMU it writes lines of "ADDRESS AMOUNT"; in place of an address `idle`, and `translation`; in the last
// one as soon as they are known. What is counted by instructions is right where one CPU runs at a time.
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// From version 1 of QEMU's plugin interface (docs/devel/tcg-plugins.rst): Debian has no package of its header.
struct qemu_plugin_tb;
typedef uint64_t qemu_plugin_id_t;
enum { QEMU_PLUGIN_INLINE_ADD_U64 = 0, QEMU_PLUGIN_CB_NO_REGS = 0 };
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_idle_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

struct block {
    uint64_t address;
    uint64_t instructions;
    uint64_t amount; // Executions, or samples.
    struct block *next;
};

static struct block *blocks;
static struct block idle, translation;
enum { MOST_CPUS = 8 };
// Where each CPU is; a CPU that has not begun is nowhere.
static struct block *_Atomic current[MOST_CPUS];
// The CPU of the thread, once it has run something.
static _Thread_local unsigned own_cpu;
static int counts, blocks_alone;
static char *out;

static void executed(unsigned cpu, void *block) {
    own_cpu = cpu;
    current[cpu] = block;
}

// Code that is known by its first bytes.
struct mark {
    uint8_t bytes[32];
    size_t size;
};

static struct mark start_mark, end_mark;

static int begins_with(struct qemu_plugin_tb *tb, const struct mark *mark) {
    size_t done = 0;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb) && done < mark->size; i++) {
        const struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t size = qemu_plugin_insn_size(insn);
        if (size > mark->size - done) size = mark->size - done;
        if (memcmp(qemu_plugin_insn_data(insn), mark->bytes + done, size)) return 0;
        done += size;
    }
    return done == mark->size;
}

static long from, entered;
static void write_all(qemu_plugin_id_t id, void *unused);

// The count begins, or is over.
static void entered_part(unsigned cpu, void *unused) {
    (void)cpu, (void)unused;
    long time = entered++;
    if (time == from)
        for (struct block *block = blocks; block; block = block->next) block->amount = 0;
    if (time == from + 1) write_all(0, NULL);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    if (start_mark.size && begins_with(tb, &start_mark))
        qemu_plugin_register_vcpu_tb_exec_cb(tb, entered_part, QEMU_PLUGIN_CB_NO_REGS, NULL);
    struct block *block = calloc(1, sizeof *block);
    if (!block) abort();
    block->address = qemu_plugin_tb_vaddr(tb);
    block->instructions = counts ? qemu_plugin_tb_n_insns(tb) : 1;
    block->next = blocks;
    blocks = block;
    if (blocks_alone) {
        block->instructions = block->amount = 1;
    } else if (counts) {
        qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->amount, 1);
    } else {
        // Until the first block runs; what was done before this call counts for the block before.
        current[own_cpu] = &translation;
        qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, block);
    }
}

static uint64_t executed_instructions, at_start;
static int between, marks, started;

static void parse_mark(const char *hex, struct mark *mark) {
    while (mark->size < sizeof mark->bytes && sscanf(hex, "%2hhx", &mark->bytes[mark->size]) == 1) {
        mark->size++;
        hex += 2;
    }
}

static void entered_start(unsigned cpu, void *unused) {
    (void)cpu, (void)unused;
    at_start = executed_instructions;
    started = 1;
}

static void entered_end(unsigned cpu, void *unused) {
    (void)cpu, (void)unused;
    if (!started) return;
    started = 0;
    FILE *file = fopen(out, "w");
    if (!file) {
        perror(out);
        return;
    }
    fprintf(file, "%" PRIu64 "\n", executed_instructions - at_start);
    fclose(file);
}

static void entered_mark(unsigned cpu, void *unused) {
    (void)cpu, (void)unused;
    FILE *file = fopen(out, "a");
    if (!file) {
        perror(out);
        return;
    }
    fprintf(file, "%" PRIu64 "\n", executed_instructions);
    fclose(file);
}

static void translated_marks(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    if (begins_with(tb, &start_mark)) qemu_plugin_register_vcpu_tb_exec_cb(tb, entered_mark, QEMU_PLUGIN_CB_NO_REGS, NULL);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &executed_instructions, qemu_plugin_tb_n_insns(tb));
}

static void translated_between(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    if (begins_with(tb, &start_mark)) qemu_plugin_register_vcpu_tb_exec_cb(tb, entered_start, QEMU_PLUGIN_CB_NO_REGS, NULL);
    if (begins_with(tb, &end_mark)) qemu_plugin_register_vcpu_tb_exec_cb(tb, entered_end, QEMU_PLUGIN_CB_NO_REGS, NULL);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &executed_instructions, qemu_plugin_tb_n_insns(tb));
}

static void went_idle(qemu_plugin_id_t id, unsigned cpu) {
    (void)id;
    current[cpu] = &idle;
}

static void *sample(void *unused) {
    for (;;) {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        for (int cpu = 0; cpu < MOST_CPUS; cpu++) {
            struct block *block = current[cpu];
            if (block) block->amount++;
        }
    }
    return unused;
}

static void write_all(qemu_plugin_id_t id, void *unused) {
    (void)id, (void)unused;
    FILE *file = fopen(out, "w");
    if (!file) {
        perror(out);
        return;
    }
    fprintf(file, "idle %" PRIu64 "\ntranslation %" PRIu64 "\n", idle.amount, translation.amount);
    for (struct block *block = blocks; block; block = block->next)
        if (block->amount) fprintf(file, "%" PRIx64 " %" PRIu64 "\n", block->address, block->instructions * block->amount);
    fclose(file);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "mode=count")) counts = 1;
        if (!strcmp(argv[i], "mode=blocks")) blocks_alone = 1;
        if (!strcmp(argv[i], "mode=between")) between = 1;
        if (!strcmp(argv[i], "mode=marks")) marks = 1;
        if (!strncmp(argv[i], "start=", 6)) parse_mark(argv[i] + 6, &start_mark);
        if (!strncmp(argv[i], "end=", 4)) parse_mark(argv[i] + 4, &end_mark);
        if (!strncmp(argv[i], "from=", 5)) from = atol(argv[i] + 5);
        if (!strncmp(argv[i], "out=", 4)) out = strdup(argv[i] + 4);
    }
    if (!out) {
        fputs("The plugin wants out=FILE.\n", stderr);
        return 1;
    }
    if (between) {
        if (!start_mark.size || !end_mark.size) {
            fputs("The plugin wants start=HEX and end=HEX.\n", stderr);
            return 1;
        }
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated_between);
        return 0;
    }
    if (marks) {
        if (!start_mark.size) {
            fputs("The plugin wants start=HEX.\n", stderr);
            return 1;
        }
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated_marks);
        return 0;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    if (!start_mark.size) qemu_plugin_register_atexit_cb(id, write_all, NULL);
    if (!counts && !blocks_alone) {
        pthread_t thread;
        qemu_plugin_register_vcpu_idle_cb(id, went_idle);
        if (pthread_create(&thread, NULL, sample, NULL)) return 1;
    }
    return 0;
}
