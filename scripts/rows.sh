#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The figures that the tests print, beside the targets in rows.csv, as a table.
#
#   rows.sh            run the suites that print some, then the table
#   rows.sh --reuse    the table of the last run of the tests
#
# A test prints a figure as `row N[ variant]: value unit[, value unit...]`.
# Fails where a figure is missing or misses its target, or a test fails.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

rig=um-smp
suites="xbuddy xpool xslab xcollect xdecay"
parts=$build/vm/$rig.parts

failed=0
case ${1-} in
--reuse) [[ -d $parts ]] || die "there is no run of the tests on $rig to use again" ;;
'') SUITE=$suites "$scripts/test.sh" "$rig" >&2 || failed=1 ;;
*) die "usage: rows.sh [--reuse]" ;;
esac
"$scripts/rows-table.py" "$scripts/rows.csv" "$parts"/*.log || failed=1
exit $failed
