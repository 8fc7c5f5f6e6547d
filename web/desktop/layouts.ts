/** Keys that are drawn for panels without a keyboard. */

/** A key that writes: its character without Shift and with it. */
export type Letter = readonly [plain: string, shifted: string]

/** How the letters lie. The machine gets characters, so any arrangement writes on any machine. */
export type Arrangement = 'qwerty' | 'qwertz' | 'azerty'

const rows: Readonly<Record<Arrangement, readonly [string, string, string]>> = {
  qwerty: ['qwertyuiop', 'asdfghjkl', 'zxcvbnm'],
  qwertz: ['qwertzuiop', 'asdfghjkl', 'yxcvbnm'],
  azerty: ['azertyuiop', 'qsdfghjklm', 'wxcvbn'],
}

/** The signs around the letters, as a keyboard of the United States has them: each machine has these. */
const signs: readonly [string, string, string, string] = [
  '`~ 1! 2@ 3# 4$ 5% 6^ 7& 8* 9( 0) -_ =+',
  '[{ ]} \\|',
  ';: \'"',
  ',< .> /?',
]

/** Letters that the keyboards of some countries have beside. */
const more: Readonly<Record<string, string>> = {
  'da-dk': 'åÅ æÆ øØ',
  'de-ch': 'äÄ öÖ üÜ',
  'de-de': 'äÄ öÖ üÜ ß',
  'es-es': 'ñÑ çÇ',
  'es-latam': 'ñÑ',
  'fr-be': 'éÉ èÈ çÇ àÀ',
  'fr-ch': 'éÉ èÈ àÀ',
  'fr-fr': 'éÉ èÈ çÇ àÀ',
  'hu-hu': 'áÁ éÉ íÍ óÓ öÖ őŐ úÚ üÜ űŰ',
  'it-it': 'àÀ èÈ ìÌ òÒ ùÙ',
  'pt-br': 'çÇ',
  'sv-se': 'åÅ äÄ öÖ',
  'tr-tr': 'çÇ ğĞ ıI iİ öÖ şŞ üÜ',
}

/** The rows of keys that write, for a machine's keyboard as guacd names it; for others, those of the United States. */
export function rowsFor(keyboard: string | undefined): readonly (readonly Letter[])[] {
  const name = keyboard ?? 'en-us-qwerty'
  const arrangement = (Object.keys(rows) as Arrangement[]).find((one) => name.endsWith(one)) ?? 'qwerty'
  const own = Object.entries(more).find(([country]) => name.startsWith(country))?.[1] ?? ''
  const [first, second, third] = rows[arrangement]
  const letters = (text: string): readonly Letter[] => [...text].map((one) => [one, one.toUpperCase()])
  return [
    pairs(signs[0]),
    [...letters(first), ...pairs(signs[1])],
    [...letters(second), ...pairs(signs[2])],
    [...letters(third), ...pairs(signs[3])],
    ...(own === '' ? [] : [pairs(own)]),
  ]
}

function pairs(text: string): readonly Letter[] {
  return text.split(' ').map((pair) => {
    const [plain = '', shifted = plain] = [...pair]
    return [plain, shifted]
  })
}

/** The X11 keysym of a character: of Latin-1 it is the character itself. */
export function keysymOf(character: string): number {
  const point = character.codePointAt(0) ?? 0
  return point < 0x100 ? point : 0x0100_0000 + point
}
