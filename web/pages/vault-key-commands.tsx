import { Card, CardBody, CardTitle, Content } from '@patternfly/react-core'
import type { SealKind, SealView } from '../../vault/contract.ts'
import { Command } from '../parts/command.tsx'
import { shellWord } from '../parts/shell-word.ts'

const nouns = {
  passphrase: 'passphrase',
  'key-file': 'key file',
  recovery: 'recovery key',
  custodians: 'custodians',
  pkcs11: 'token',
  'plug-in': 'plug-in',
} as const satisfies Record<SealKind, string>

/** What a way to unseal is called. */
export function sealNoun(kind: SealKind): string {
  return nouns[kind] ?? kind
}

/** Does one way alone open this vault, beside the recovery key, which is for the day that all are lost? */
export function hasOneWayOnly(seals: readonly Pick<SealView, 'kind'>[]): boolean {
  return seals.filter(({ kind }) => kind !== 'recovery').length < 2
}

/** Proves that a way opens the vault, and changes nothing. Undefined where no command can be given. */
export function rehearsalCommand(seal: SealView): string | undefined {
  const id = shellWord(seal.id)
  switch (seal.kind) {
    case 'passphrase':
      return 'tagout unseal --ask --dry-run'
    case 'key-file':
      return command('tagout unseal --key-file', shellWord(seal.path ?? 'FILE'), '--dry-run')
    case 'recovery':
      return 'tagout unseal --recovery-key-file FILE --dry-run'
    case 'custodians':
      return 'tagout unseal --share --dry-run'
    case 'pkcs11':
      return command('tagout unseal --token', id, '--dry-run')
    case 'plug-in':
      return command('tagout unseal --plug-in', id, '--dry-run')
    default:
      return undefined
  }
}

/** Takes a way away, or exchanges it where it is not to be taken away. */
export function changeCommand(seal: SealView): string | undefined {
  return seal.kind === 'recovery'
    ? 'tagout keys recovery-key --recovery-out FILE'
    : command('tagout keys remove', shellWord(seal.id), '')
}

function command(begin: string, word: string | undefined, end: string): string | undefined {
  return word === undefined ? undefined : `${begin} ${word} ${end}`.trimEnd()
}

/** What the machine administrator can do with the keys, each as a command to copy. */
export function KeyCommands({ hasCustodians }: { readonly hasCustodians: boolean }) {
  const custody = hasCustodians ? 'change' : 'init'
  const things = [
    [
      hasCustodians
        ? 'Exchange the custodians, when one leaves or a share was seen'
        : 'Share the way in among custodians: any two of three open the vault',
      `tagout custody ${custody} --threshold 2 --custodian anna,bob,carl --out /media/stick`,
    ],
    ['Add a key file, kept elsewhere', 'tagout keys add --key-file /media/stick/seal.key'],
    ['See what would hinder an exchange of the root key', 'tagout keys rotate-root --dry-run'],
    ['Exchange the root key, after custodians changed or a way was taken away', 'tagout keys rotate-root'],
    ['Exchange the key of a safe', 'tagout keys rotate-safe SAFE'],
  ] as const
  return (
    <Card className="gap-above">
      <CardTitle component="h2">On the machine</CardTitle>
      <CardBody>
        <dl className="facts key-commands">
          {things.map(([what, text]) => (
            <div key={text}>
              <dt>{what}</dt>
              <dd>
                <Command text={text} label={what} />
              </dd>
            </div>
          ))}
        </dl>
        <Content component="small">
          Most of them can be rehearsed: with <code>--dry-run</code> nothing is changed. All are in the audit
          log.
        </Content>
      </CardBody>
    </Card>
  )
}
