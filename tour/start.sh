#!/bin/sh
# npm start: installs and builds, which is silent unless it fails, and starts the tour.
cd "$(dirname "$0")/.." || exit 1
[ -t 1 ] && printf 'Building …\r'
output=$(npm run --silent setup 2>&1 && npm run --silent build 2>&1) || {
	printf '%s\n' "$output" >&2
	echo 'sd-notify: the build failed, see above' >&2
	exit 1
}
[ -t 1 ] && printf '          \r'
PATH="$PWD/node_modules/.bin:$PATH" exec bun tour/main.ts
