// SPDX-License-Identifier: GPL-2.0
/*
 * Replay a trace (bench/trace.h) on the C library's allocator, as bench/trace.c does in the kernel.
 *
 *	replay TRACE
 *
 * Memory is what the allocator has of the system, by mallinfo2(). Instructions are counted by the
 * time stamp counter, if QEMU has it do so: with those of the system, which gives memory when it is
 * asked for and when it is first touched. Nothing is written to what is allocated.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "../../bench/trace.h"

#define SAMPLES		500U

static struct xtrace_header header;
static struct xtrace_op *ops;
static void **slots;

static void die(const char *what)
{
	fprintf(stderr, "replay: %s\n", what);
	exit(1);
}

/* Large enough to be mapped apart from the heap. */
static void *read_rest(FILE *file, size_t bytes)
{
	void *to = malloc(bytes);

	if (!to || fread(to, 1, bytes, file) != bytes)
		die("the trace is too short");
	return to;
}

static void read_trace(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (!file || fread(&header, sizeof(header), 1, file) != 1 || header.magic != XTRACE_MAGIC)
		die("that is no trace");
	ops = read_rest(file, (size_t)header.ops * sizeof(*ops));
	slots = calloc(header.slots, sizeof(*slots));
	if (!slots)
		die("no memory");
	fclose(file);
}

/* Operations from @from to @to; without @real the loop alone. */
static inline void run(bool real, __u32 from, __u32 to)
{
	const struct xtrace_op *op = ops + from, *end = ops + to;

	for (; op < end; op++) {
		void **slot = &slots[op->slot_op >> XTRACE_OP_BITS], *addr = slots;
		unsigned int code = op->slot_op & XTRACE_OP_MASK;

		__asm__ volatile("" : : : "memory");
		if (code == XTRACE_FREE) {
			if (real)
				free(*slot);
			*slot = NULL;
			continue;
		}
		if (real && code == XTRACE_ALLOC)
			addr = malloc(op->bytes);
		else if (real)
			addr = realloc(*slot, op->bytes);
		if (!addr)
			die("no memory");
		*slot = addr;
	}
}

static void free_rest(bool real)
{
	__u32 slot;

	for (slot = 0; slot < header.slots; slot++) {
		if (real)
			free(slots[slot]);
		slots[slot] = NULL;
	}
}

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.arena + info.hblkhd;
}

static size_t most_bytes(void)
{
	__u32 at = 0, next, step = header.ops / SAMPLES + 1;
	size_t before = heap_bytes(), most = before;

	for (; at < header.ops; at = next) {
		next = header.ops - at < step ? header.ops : at + step;
		if (at < header.peak_op && next > header.peak_op)
			next = header.peak_op;
		run(true, at, next);
		most = heap_bytes() > most ? heap_bytes() : most;
	}
	free_rest(true);
	return most - before;
}

static __u64 ticks_of(bool real)
{
	__u64 start = __rdtsc();

	if (real)
		run(true, 0, header.ops);
	else
		run(false, 0, header.ops);
	start = __rdtsc() - start;
	free_rest(real);
	return start;
}

/* The file's name without its directory and what follows the dot. */
static void tell(const char *path, const char *metric, double value)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	printf("bench,trace-%.*s,glibc,%s,%.2f,%.2f,%.2f\n", (int)strcspn(base, "."), base, metric,
	       value, value, value);
}

int main(int argc, char **argv)
{
	__u64 loop;

	if (argc != 2)
		die("usage: replay TRACE");
	read_trace(argv[1]);
	tell(argv[1], "peak_kib", most_bytes() / 1024.0);
	ticks_of(false);
	loop = ticks_of(false);
	tell(argv[1], "insn_op", (double)(ticks_of(true) - loop) / header.ops);
	return 0;
}
