#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Make the file system that a VM boots into: busybox, the scripts of guest/
# and whatever files are named, which land in /files.
#
#   initramfs.sh OUT.cpio JOB [FILE...]
#
# JOB is the script of guest/, without .sh, that the guest's init runs.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

out=${1:?the file to write}
job=${2:?the job to run}
shift 2

need_tools "${vm_tools[@]}"

stage=$out.d
rm -rf "$stage"
mkdir -p "$stage"/{bin,dev,proc,sys,tmp,files,guest}
cp "$(command -v busybox)" "$stage/bin/busybox"
ln -s busybox "$stage/bin/sh"
cp "$scripts"/guest/*.sh "$stage/guest/"
cp "$scripts/guest/init" "$stage/init"
chmod +x "$stage/init"
echo "$job" >"$stage/guest/job"
(($#)) && cp "$@" "$stage/files/"

(cd "$stage" && find . | cpio -o -H newc --quiet) >"$out"
rm -rf "$stage"
