// SPDX-License-Identifier: GPL-2.0
/*
 * swap: use more memory than is free, say how many KiB of it were swapped out, and look
 * whether all comes back
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define WORDS	1024UL	/* of a page */
#define MORE	(32 << 10)

/* A line of /proc/meminfo */
static unsigned long kib_of(const char *name)
{
	unsigned long value = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), ": %lu", &value);
	if (file)
		fclose(file);
	return value;
}

/* Half of a page is easily compressed */
static unsigned int word(unsigned long at)
{
	return at / WORDS % 2 ^ at % 2 ? at / WORDS : at * 2654435761u;
}

int main(void)
{
	unsigned long nr = (kib_of("MemAvailable") + MORE) / 4 * WORDS, at;
	unsigned int *memory;

	memory = mmap(NULL, nr * sizeof(*memory), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	for (at = 0; at < nr; at++)
		memory[at] = word(at);
	printf("%lu\n", kib_of("SwapTotal") - kib_of("SwapFree"));
	for (at = 0; at < nr; at++)
		if (memory[at] != word(at))
			return 1;
	return 0;
}
