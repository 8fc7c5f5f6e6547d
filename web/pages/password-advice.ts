/** What to say about a password while it is typed. Length is what counts; the vault has the last word. */
export type Advice = {
  readonly good: boolean
  readonly level: 'none' | 'poor' | 'fair' | 'good'
  readonly sentence: string
}

const shortest = 12
const common =
  /^(?:password|passwort|qwerty|letmein|welcome|administrator|tagout|changeme|iloveyou|1234567890)/i

export function passwordAdvice(password: string, name: string): Advice {
  const length = [...password].length
  if (length === 0)
    return {
      good: false,
      level: 'none',
      sentence: `At least ${shortest} characters. Four or five unrelated words are good.`,
    }
  if (length < shortest)
    return { good: false, level: 'poor', sentence: `${shortest - length} more characters to go.` }
  if (new Set(password).size < 5)
    return { good: false, level: 'poor', sentence: 'It repeats itself too much.' }
  if (common.test(password) || (name.length > 2 && password.toLowerCase().includes(name.toLowerCase())))
    return {
      good: false,
      level: 'poor',
      sentence: 'It begins like one of the most used, or holds your name.',
    }
  return length < 16
    ? { good: true, level: 'fair', sentence: 'Good enough. Longer is better.' }
    : { good: true, level: 'good', sentence: 'Good.' }
}
