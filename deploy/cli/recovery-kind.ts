import { asTyped, base32Letters, withoutNotes } from '../../vault/kernel/base32.ts'
import { Complaint } from './complaint.ts'

/** What of paper a file may hold. */
export type PaperKind = 'vault' | 'recordings' | 'share' | 'auditor'

export const paperText: Readonly<Record<PaperKind, string>> = {
  vault: 'a vault’s recovery key',
  recordings: 'a recordings recovery key',
  share: 'a custodian’s share',
  auditor: 'an auditor’s key',
}

/** What each is for, and by which command. */
export const usedBy: Readonly<Record<PaperKind, string>> = {
  vault: 'it unseals the vault: tagout unseal --recovery-key-file FILE',
  recordings: 'it opens recordings: tagout recording export FILE.tgr --recovery FILE',
  share: 'it unseals the vault together with others: tagout unseal --share-file FILE',
  auditor: 'its holder opens recordings by it: tagout recording export REC --identity FILE',
}

/** Letters of a key or share, give or take a group of the one or a row of the other that was left out or typed twice. */
const aboutVaultKey = [32, 40] as const
const aboutShare = [70, 98] as const

/** What this is by its form, be it mistyped or not. Undefined for anything else. */
export function paperKindOf(text: string): PaperKind | undefined {
  if (/^\s*tagout-auditor-identity\b/.test(text)) return 'auditor'
  if (/^\s*tagout-recordings-recovery-key\b/.test(text) || /^box-private: /m.test(text)) return 'recordings'
  const typed = asTyped(withoutNotes(text))
  const known = [...typed].filter((letter) => base32Letters.includes(letter)).length
  if (known < typed.length - 4) return undefined
  const isAbout = ([least, most]: readonly [number, number]) => typed.length >= least && typed.length <= most
  return isAbout(aboutVaultKey) ? 'vault' : isAbout(aboutShare) ? 'share' : undefined
}

/** The complaint where a file holds another kind of key than is asked for; undefined where it does not, or nobody can tell. */
export function otherPaper(path: string, text: string, wanted: PaperKind): Complaint | undefined {
  const kind = paperKindOf(text)
  return kind === undefined || kind === wanted
    ? undefined
    : new Complaint(`${path} is ${paperText[kind]}, and here ${paperText[wanted]} is asked for`, usedBy[kind])
}
