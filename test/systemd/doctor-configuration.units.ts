import { brokenUnits, healthyUnits } from "./trial.ts";

brokenUnits("doctor: configuration", [
  {
    title: "Type= is not notify, and the program sends READY=1",
    files: (my) => ({ [my.unit]: `[Service]\nType=simple\nExecStart=${my.sh('"$N" --ready; exec sleep infinity')}\n` }),
    cause: /NotifyAccess=none/,
  },
]);

healthyUnits("doctor: healthy", [
  {
    title: "a shell that sends READY=1, and becomes its program",
    files: (my) => ({ [my.unit]: `[Service]\nType=notify\nExecStart=${my.sh('"$N" --ready; exec sleep infinity')}\n` }),
    arrive: (unit) => unit.start(),
    state: { ActiveState: "active" },
  },
]);
