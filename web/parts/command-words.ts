/** Letters of a word that fits a line of the narrowest window; a longer one (a link, a path) may end anywhere. */
const longestWhole = 22

export type CommandWord = { readonly word: string; readonly isWhole: boolean; readonly at: number }

/** A command in its words and the spaces between them, of which those with a hyphen that fit a line stay whole. */
export function wordsOf(text: string): readonly CommandWord[] {
  return text.split(/(\s+)/).map((word, at) => ({
    word,
    isWhole: word.includes('-') && word.length <= longestWhole,
    at,
  }))
}
