#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's job under `make vm`: both modules loaded, and a shell.
# shellcheck source=lib.sh
. /guest/lib.sh

insmod /files/xalloc.ko size=64M && insmod /files/xalloc_client.ko
cd "$debugfs" || cd /
cat <<'EOF'

xalloc and xalloc_client are loaded from /files; this is their debugfs.
  cat buddyinfo slabinfo; cat caches/*/stats
  echo 1 >/sys/module/xalloc_client/parameters/release
  rmmod xalloc_client xalloc; insmod /files/xalloc.ko size=4M
`exit` or ^D powers off; ^A X kills QEMU.

EOF
setsid cttyhack sh
