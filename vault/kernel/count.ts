/** How many of what, for people: `1 key`, `2 keys`. Runs in browsers too. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
