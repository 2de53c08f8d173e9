/**
 * Whether a word may be a misspelling of the known one: one letter is wrong, missing or extra, or some letters are in
 * another order.
 */
export function isNear(known: string, word: string): boolean {
  const letters = (text: string) => [...text].sort().join("");
  if (letters(known) === letters(word)) return true;
  if (Math.abs(known.length - word.length) > 1) return false;
  let i = 0;
  while (i < word.length && known[i] === word[i]) i++;
  const [rest, other] = [known.slice(i), word.slice(i)];
  return rest.slice(1) === other.slice(1) || rest.slice(1) === other || rest === other.slice(1);
}
