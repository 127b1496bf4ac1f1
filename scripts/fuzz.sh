#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for FUZZTIME each.
# Go leaves an input that fails in testdata/fuzz of its package: commit it with the repair.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz')
for package in $(printf '%s\n' "${files[@]}" | xargs -n1 dirname | sort -u); do
	for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$package"/*_test.go | cut -d' ' -f2 | sort -u); do
		echo "== ./$package $target"
		# A minute of minimising per new input, the default, would leave no time for finding any.
		go test "./$package" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 20x
	done
done
