/** Pages and pictures that README.md names and that come with the next merge. Then this file goes. */

export const PENDING: readonly string[] = [
  "docs/bridge.md",
  "docs/containers.md",
  "docs/pictures/doctor.svg",
  "docs/pictures/monitor.svg",
  "docs/register.md",
];
