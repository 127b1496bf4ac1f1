#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for FUZZTIME each.
# With EXECUTIONS=N it runs so many in all, shared out evenly among the targets, whatever time that takes; with
# PACKAGES="DIR ..." those of these packages only.
# Go leaves an input that fails in testdata/fuzz of its package: commit it with the repair.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz')
packages=$(printf '%s\n' "${files[@]}" | xargs -n1 dirname | sort -u)
if [ -n "${PACKAGES:-}" ]; then
	packages=$(grep -Fxf <(printf '%s\n' $PACKAGES) <<<"$packages")
fi
targets=() # package and name, in turn
for package in $packages; do
	for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$package"/*_test.go | cut -d' ' -f2 | sort -u); do
		targets+=("$package" "$target")
	done
done

n=$((${#targets[@]} / 2))
span=${FUZZTIME:-10s}
if [ -n "${EXECUTIONS:-}" ]; then
	each=$(((EXECUTIONS + n - 1) / n))
	span=${each}x
	echo "== $n targets, $each executions each"
fi
for ((i = 0; i < 2 * n; i += 2)); do
	echo "== ./${targets[i]} ${targets[i + 1]}"
	# A minute of minimising per new input, the default, would leave no time for finding any.
	go test "./${targets[i]}" -run '^$' -fuzz "^${targets[i + 1]}\$" -fuzztime "$span" -fuzzminimizetime 20x -timeout 0
done
if [ -n "${EXECUTIONS:-}" ]; then
	echo "== $((each * n)) executions of $n targets, none failed"
fi
