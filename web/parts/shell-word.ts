/**
 * A word of a command to copy, so that a shell takes it as it is; undefined where nobody should paste it.
 *
 * SECURITY: a control character could end a paste, and what follows it would be run.
 */
export function shellWord(text: string): string | undefined {
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) return undefined
  return /^[\w./:=@%+,][\w./:=@%+,-]*$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
