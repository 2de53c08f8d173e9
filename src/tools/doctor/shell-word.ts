/**
 * Quotes a word of a command that somebody may copy to a shell: the name of a unit may have a backslash,
 * systemd.unit(5).
 */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
