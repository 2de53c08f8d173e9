#!/bin/sh
# A service in shell: the example of systemd-notify(1), for three lines of input.

sd-notify --ready --status="Waiting for data..."

while read -r line; do
	sd-notify --status="Processing $line"
	# Do something with $line ...
	sd-notify --status="Waiting for data..."
done

sd-notify --stopping
