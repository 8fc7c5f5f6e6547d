import type { VerbInput, VerbName } from '../../vault/contract.ts'
import type { Refusal } from '../../vault/index.ts'

type FieldOf<Input> = Input extends unknown ? keyof Input & string : never
type Words = { readonly [Name in VerbName]?: { readonly [Field in FieldOf<VerbInput<Name>>]?: string } }

/** The words of this program for the fields of what the vault is asked: an option, or an argument as in the usage. */
export const fieldNames = {
  'vault.initialise': { provider: '--passphrase-stdin or --key-file' },
  'vault.unseal': {
    kind: '--passphrase-stdin, --key-file, --token, --plug-in or --recovery-key-file',
    passphrase: '--passphrase-stdin',
    path: '--key-file',
    recoveryKey: '--recovery-key-file',
    acceptRollback: '--accept-rollback',
    pin: '--pin-stdin',
    seal: '--token or --plug-in',
  },
  'vault.seal': { sessions: '--sessions' },
  'seal.add': { provider: '--passphrase-stdin, --key-file, --module or --plug-in', rehearse: '--dry-run' },
  'seal.remove': { seal: '<id>', rehearse: '--dry-run' },
  'seal.renewRecovery': { rehearse: '--dry-run' },
  'seal.rehearse': { how: '--passphrase-stdin, --key-file or --recovery-key-file' },
  'seal.confirm': { prepared: 'what was prepared' },
  'custody.prepare': {
    custodians: '--custodian',
    threshold: '--threshold',
    change: 'init or change',
    rehearse: '--dry-run',
  },
  'keys.rotate': { what: 'root or safe', safe: '<safe>', rehearse: '--dry-run' },
  'custody.share': {
    share: '--share-file',
    rehearse: '--dry-run',
    acceptRollback: '--accept-rollback',
  },
  'user.add': { name: '<name>', roles: '--role', totpCode: 'code' },
  import: { kind: '--as', rows: '<file>', apply: '--yes', totpCode: 'code' },
  'user.show': { user: '<user>' },
  'user.roles': { user: '<user>', roles: '<roles>', totpCode: 'code' },
  'user.disable': { user: '<user>' },
  'user.enable': { user: '<user>' },
  'user.enrol': { user: '<user>', totpCode: 'code' },
  'user.mail': { user: '<user>', address: '<address>', notices: '--only-security', totpCode: 'code' },
  'user.key.add': { user: '<user>', publicKey: '<file>', totpCode: 'code' },
  'user.key.list': { user: '<user>' },
  'user.key.remove': { user: '<user>', key: '<key>' },
  'safe.add': { name: '<name>', inputPolicy: '--input' },
  'safe.approvals': { safe: '<safe>', approvals: '<people>', totpCode: 'code' },
  'safe.notifications': {
    safe: '<safe>',
    unansweredMinutes: '--unanswered',
    escalateTo: '--escalate-to',
    sessions: '--sessions',
  },
  'notification.test': { user: '<user>' },
  'webhook.set': { url: '<url>', totpCode: 'code' },
  'safe.watchNotice': { safe: '<safe>', shown: '<told>' },
  'safe.member.set': { safe: '<safe>', user: '<user>', permissions: '--allow', totpCode: 'code' },
  'target.add': { name: '<name>', safe: '--safe', address: '<address>', pin: '--pin' },
  'target.show': { target: '<target>' },
  'target.address': { target: '<target>', address: '<address>' },
  'target.scan': { target: '<target>' },
  'target.pin': { target: '<target>', fingerprint: '<fingerprint>' },
  'target.legacy': {
    target: '<target>',
    algorithms: '--allow',
    reason: '--reason',
    until: '--until',
    forSeconds: '--for',
  },
  'target.remove': { target: '<target>' },
  'account.add': {
    target: '<account>',
    login: '<account>',
    credential: '--password-stdin or --key-file',
  },
  'account.show': { account: '<account>' },
  'account.secret': { account: '<account>', credential: '--password-stdin or --key-file' },
  'account.bind': { account: '<account>', target: '--target' },
  'account.elevation': { account: '<account>', elevation: '--sudo, --su or --enable' },
  'account.remove': { account: '<account>' },
  'exposure.list': { account: '--account' },
  'grant.add': {
    user: '<user>',
    account: '<account>',
    actions: '--allow',
    forwards: '--forward',
    notBefore: '--from',
    notAfter: '--until',
    forSeconds: '--for',
    maxSessionSeconds: '--max-session',
    mode: '--exclusive',
    reason: '--reason',
    totpCode: 'code',
  },
  'grant.list': { user: '--user', account: '--account' },
  'grant.revoke': { grant: '<grant>' },
  'request.list': { state: '--all' },
  'request.show': { request: '<request>' },
  'policy.plan': { document: '<file>' },
  'policy.apply': { document: '<file>', expected: 'the policy in force', totpCode: 'code' },
  'policy.explain': {
    user: '<user>',
    account: '<account>',
    action: '--action',
    at: '--at',
    source: '--from',
  },
  'policy.reach': { user: '--user', account: '--account', target: '--target', safe: '--safe', at: '--at' },
  'lease.checkIn': { lease: '<lease>', reason: '--reason' },
  'login.revoke': { login: '<login>' },
  'session.list': { live: '--live', limit: '--limit' },
  'session.show': { session: '<session>' },
  'session.terminate': { session: '<session>', reason: '--reason', holdSeconds: '--hold' },
  'session.freeze': { session: '<session>', reason: '--reason' },
  'session.unfreeze': { session: '<session>' },
  'session.message': { session: '<session>', text: '<text>' },
  'hold.release': { hold: '<hold>' },
  'recording.list': { limit: '--limit' },
  'recording.show': { recording: '<recording>' },
  'auditor.append': { newAuditorUser: '<name>', body: 'the new list', signature: 'the signature' },
  'auditor.challenge': { auditor: '--identity' },
  'auditor.login': {
    auditor: '--identity',
    challenge: 'the challenge',
    signature: 'the signature',
    source: 'the source',
  },
  'audit.list': { from: '--from', limit: '--limit', kind: '--kind' },
  'audit.export': { from: 'the first entry', limit: 'the number of entries' },
  'backup.page': { table: 'the table', after: 'the place in the table', limit: 'the number of rows' },
} as const satisfies Words

/** A refusal of a verb in words of this program: `notAfter: …` is `--until: …` to whoever typed that. */
export function inOwnWords(verb: VerbName, refusal: Refusal): Refusal {
  const words: Readonly<Record<string, string>> =
    verb in fieldNames ? fieldNames[verb as keyof typeof fieldNames] : {}
  const [, field] = /^([a-zA-Z]+)(?:\.[\w.]+)?: /.exec(refusal.message) ?? []
  if (field === undefined || !Object.hasOwn(words, field)) return refusal
  const said = refusal.message.slice(refusal.message.indexOf(': '))
  return { ...refusal, message: `${words[field]}${said}` }
}
