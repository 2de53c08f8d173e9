/**
 * Adds the arguments to the fields that options made, as systemd-notify(1) does. An argument with `VAR=` replaces an
 * earlier `VAR=…` in its place. An argument without `=` is sent as it is, and replaces the first field that begins
 * with it.
 */
export function addAssignments(fields: readonly string[], args: readonly string[]): string[] {
  const merged = [...fields];
  const places = new Map<string, number>();
  const note = (field: string, place: number) => {
    const name = nameOf(field);
    if (name !== undefined && !places.has(name)) places.set(name, place);
  };
  for (let place = 0; place < merged.length; place++) note(merged[place] as string, place);
  for (const arg of args) {
    const name = nameOf(arg);
    const place = name === undefined ? merged.findIndex((field) => field.startsWith(arg)) : places.get(name);
    if (place === undefined || place === -1) {
      note(arg, merged.length);
      merged.push(arg);
    } else {
      // The name of the replaced field goes too, because no other field has it.
      const replaced = nameOf(merged[place] as string);
      if (replaced !== undefined) places.delete(replaced);
      merged[place] = arg;
      note(arg, place);
    }
  }
  return merged;
}

// --- internal ---

function nameOf(field: string): string | undefined {
  const equals = field.indexOf("=");
  return equals === -1 ? undefined : field.slice(0, equals);
}
