// SPDX-License-Identifier: GPL-2.0
/*
 * xattr: give files an attribute of many bytes, or with -c check that they have it. Files
 * whose names end in the same character have the same, so file systems keep it once.
 */
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

int main(int argc, char **argv)
{
	int check = argc > 1 && !strcmp(argv[1], "-c"), i;
	char value[600], is[sizeof(value)];

	for (i = 1 + check; i < argc; i++) {
		memset(value, argv[i][strlen(argv[i]) - 1], sizeof(value));
		if (check ? getxattr(argv[i], "user.port", is, sizeof(is)) != sizeof(is) ||
			    memcmp(is, value, sizeof(is))
			  : setxattr(argv[i], "user.port", value, sizeof(value), 0)) {
			perror(argv[i]);
			return 1;
		}
	}
	return 0;
}
