/** What a command line or a query takes for something else than a word: help, quotes, a pipe, a comment, an end. */
const notInAWord = /[^\x21-\x7e]|["'`?\\|;&<>()[\]{}$#!*~]/

/** Can this stand among other words without being taken for more than one? */
export function isAWord(text: string): boolean {
  return text !== '' && !notInAWord.test(text)
}
