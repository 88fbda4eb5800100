// SPDX-License-Identifier: GPL-2.0
/*
 * xtext: what people and clients may write
 *
 * A number is decimal digits without a leading zero, or 0x and hexadecimal digits; nothing
 * else is in it. So "010" is not eight to one reader and ten to another, and "12abc" is
 * not 12. This holds for parameters of the module and for files.
 *
 * A name is printable ASCII without blanks and slashes. It becomes the name of a directory
 * and the first word of a line of slabinfo and buddyinfo, whose readers split lines at
 * blanks and skip those that begin with "#".
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "base.h"

static_assert(XPOOL_NAME_MAX == XSLAB_NAME_MAX);

static bool is_name(const char *name, size_t len)
{
	size_t i;

	if (!len || len >= XPOOL_NAME_MAX || *name == '#' ||
	    !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return true;
}

/* Is this a name for a @kind, a pool or a cache? Else the log shows it, as plain text. */
int xtext_check_name(const char *kind, const char *name)
{
	size_t len = name ? strnlen(name, XPOOL_NAME_MAX) : 0;
	char plain[4 * XPOOL_NAME_MAX + 1];	/* each may become \xNN */
	int end;

	if (name && is_name(name, len))
		return 0;
	end = string_escape_mem(name, len, plain, sizeof(plain) - 1,
				ESCAPE_HEX | ESCAPE_NAP, NULL);
	plain[min_t(size_t, end, sizeof(plain) - 1)] = '\0';
	pr_err("%s: name \"%s\": need 1 to %d printable characters of ASCII, no blank, no slash, no # first\n",
	       kind, plain, XPOOL_NAME_MAX - 1);
	return -EINVAL;
}

/* Digits from the first to the last. */
static int parse_digits(const char *text, u64 *value)
{
	bool hex = text[0] == '0' && tolower(text[1]) == 'x';
	const char *digits = hex ? text + 2 : text;

	if (!*digits || (!hex && digits[0] == '0' && digits[1]))
		return -EINVAL;
	if (digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
		return -EINVAL;
	return kstrtoull(digits, hex ? 16 : 10, value);
}

/* A number that may be negative, which is decimal then. */
int xtext_number(const char *text, long *value)
{
	bool negative = *text == '-';
	u64 number;

	if (negative && !(isdigit(text[1]) && tolower(text[2]) != 'x'))
		return -EINVAL;
	if (parse_digits(text + negative, &number) || number > LONG_MAX || (negative && !number))
		return -EINVAL;
	*value = negative ? -(long)number : (long)number;
	return 0;
}

/* 10, 20, 30 ... for K, M, G ...; 0 for a digit; -1 for anything else. */
static int suffix_shift(char last)
{
	static const char suffixes[] = "KMGTP";
	const char *at;

	if (isxdigit(last))
		return 0;
	at = last ? strchr(suffixes, toupper(last)) : NULL;
	return at ? (at - suffixes + 1) * 10 : -1;
}

/* Bytes, with a suffix or without. memparse() would take "12Q" for 12, and wrap around. */
int xtext_bytes(const char *text, u64 *value)
{
	size_t len = strlen(text);
	int shift = len ? suffix_shift(text[len - 1]) : -1;
	char digits[24];
	int err;

	if (shift < 0 || len - !!shift >= sizeof(digits))
		return -EINVAL;
	strscpy(digits, text, len - !!shift + 1);
	err = parse_digits(digits, value);
	if (!err && check_shl_overflow(*value, shift, value))
		err = -ERANGE;
	return err ? -EINVAL : 0;
}
