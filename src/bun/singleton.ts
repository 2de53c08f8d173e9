/**
 * Values of which a process may have only one. Under `bun --hot`, modules are evaluated again, and what the old ones
 * started goes on. So a variable of a module is not enough. No issue filed: that is documented. This stays.
 */

/** A place that every evaluation of a module finds by its name. It is made when something is put there. */
export function singleton<Value>(name: string): { current: Value | undefined } {
  const places = globalThis as unknown as Record<symbol, Value | undefined>;
  const key = Symbol.for(name);
  return {
    get current() {
      return places[key];
    },
    set current(value) {
      places[key] = value;
    },
  };
}

/** Whether this process evaluates its modules again when they change. */
export function isHot(): boolean {
  return process.execArgv.includes("--hot");
}
