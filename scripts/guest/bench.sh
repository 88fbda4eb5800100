#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's job under `make bench`: /files/bench has the parameters of one
# run of the benchmark a line. Its results are in the kernel's log.
# shellcheck source=lib.sh
. /guest/lib.sh

insmod /files/xalloc.ko size=64M || exit
while read -r parameters; do
	# shellcheck disable=SC2086 # several parameters are several words
	insmod /files/xbench.ko $parameters || exit
	unload xbench || exit
done </files/bench
unload xalloc
