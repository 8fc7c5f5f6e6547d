import { loginName, nameText } from '../../../vault/contract.ts'

/** What a client's user name asks for: `user@account@target`, `user@target` or `user` alone. */
export type Destination = { readonly user: string; readonly account?: string; readonly target?: string }

/** Parses the user name of an SSH client. Undefined for one that is no such name. */
export function parseDestination(text: string): Destination | undefined {
  if (text.length > 200) return undefined
  const parts = text.split('@')
  if (parts.length > 3) return undefined
  const user = parts[0] ?? ''
  const target = parts.length > 1 ? parts.at(-1) : undefined
  const account = parts.length === 3 ? parts[1] : undefined
  if (!nameText.safeParse(user).success) return undefined
  if (target !== undefined && !nameText.safeParse(target).success) return undefined
  if (account !== undefined && !loginName.safeParse(account).success) return undefined
  return {
    user,
    ...(target === undefined ? {} : { target }),
    ...(account === undefined ? {} : { account }),
  }
}

/**
 * Parses the user name of an inner login (`ssh -J gateway engineer@press-3`), where user and target are known from
 * the outer connection: `account`, `user@account`, `user@account@target`, or the user's own name for no account.
 * Undefined when it names another user or target.
 */
export function parseInnerLogin(
  text: string,
  outer: { readonly user: string; readonly target: string },
): { readonly account?: string } | undefined {
  if (text.length > 200) return undefined
  const parts = text.split('@')
  const [first = ''] = parts
  if (parts.length === 1) {
    if (first === outer.user) return {}
    return loginName.safeParse(first).success ? { account: first } : undefined
  }
  if (first !== outer.user || parts.length > 3) return undefined
  if (parts.length === 3 && parts[2] !== outer.target) return undefined
  const account = parts[1] ?? ''
  return loginName.safeParse(account).success ? { account } : undefined
}
