// SPDX-License-Identifier: GPL-2.0
/*
 * xattr: give files an attribute of many bytes, or with -c check that they have it. Files
 * whose names end in the same character have the same, so file systems keep it once.
 */
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

static int give(const char *file, const char *value, size_t size)
{
	return setxattr(file, "user.port", value, size, 0);
}

static int check(const char *file, const char *value, size_t size)
{
	char is[1024];

	return getxattr(file, "user.port", is, sizeof(is)) != (ssize_t)size ||
	       memcmp(is, value, size);
}

int main(int argc, char **argv)
{
	int checks = argc > 1 && !strcmp(argv[1], "-c"), i;
	char value[600];

	for (i = 1 + checks; i < argc; i++) {
		memset(value, argv[i][strlen(argv[i]) - 1], sizeof(value));
		if ((checks ? check : give)(argv[i], value, sizeof(value))) {
			perror(argv[i]);
			return 1;
		}
	}
	return 0;
}
