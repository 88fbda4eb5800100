// SPDX-License-Identifier: GPL-2.0
/*
 * insmod-nth N MODULE [PARAMETERS]: load a module while the Nth allocation
 * that this load makes fails.
 *
 * insmod itself cannot serve: allocations of exec() and of the C library
 * would be counted too. Prints the errno of the load (0 for success) and
 * "injected" or "exhausted", the latter when the load made fewer than N
 * allocations.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int nth = open("/proc/self/fail-nth", O_RDWR);
	int module = argc > 2 ? open(argv[2], O_RDONLY) : -1;
	const char *parameters = argc > 3 ? argv[3] : "";
	char left[16] = "";
	int err = 0;

	if (nth < 0 || module < 0) {
		perror("insmod-nth N MODULE [PARAMETERS]");
		return 2;
	}
	if (write(nth, argv[1], strlen(argv[1])) < 0) {
		perror("fail-nth");
		return 2;
	}
	if (syscall(SYS_finit_module, module, parameters, 0))
		err = errno;

	/* What is left of N says whether the failure came; 0 switches it off */
	if (pread(nth, left, sizeof(left) - 1, 0) < 0 || pwrite(nth, "0", 1, 0) < 0) {
		perror("fail-nth");
		return 2;
	}
	printf("%d %s\n", err, left[0] == '0' ? "injected" : "exhausted");
	return 0;
}
