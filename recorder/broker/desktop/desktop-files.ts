import type { Action, Permit, VerbAnswer } from '../../../vault/contract.ts'
import { fromBase64 } from '../../../vault/kernel/encoding.ts'
import { done, type Outcome, refuse } from '../../../vault/kernel/outcome.ts'
import { sentenceOf } from '../../../vault/ssh/sentence.ts'
import { logIn, type TargetCredential } from '../../../vault/ssh/target.ts'
import type { SessionBox } from '../ssh/elevation-key.ts'
import type { FrontChannel } from '../ssh/front-channel.ts'
import type { BrokerPorts, Limits } from '../ssh/ports.ts'
import { ChannelLink } from '../ssh/channel-link.ts'
import type { RelayedChannel } from '../ssh/relayed-channel.ts'

/** The user's end of the files. `may` tells it in which ways they go, before it is listened to. */
export type FilesFront = FrontChannel & { readonly may: (ways: readonly Action[]) => void }

export type FilesPorts = Pick<BrokerPorts, 'ask' | 'log'> & {
  readonly permit: Permit
  readonly limits: Limits
  /** Where the password comes sealed to; undefined once the session ends. */
  readonly box: () => SessionBox | undefined
  /** Why nothing of the user's goes on now; undefined: it does. */
  readonly held: () => string | undefined
  readonly isEnding: () => boolean
  /** Makes the channel of the session that carries them: recorded, hashed, held while it is frozen. */
  readonly makeChannel: (front: FrontChannel, link: ChannelLink, ways: readonly Action[]) => RelayedChannel
  readonly refused: (detail: string) => void
}

/** Milliseconds that a refusal has to reach its user. */
const refusalMs = 10_000

/** A login at the machine, for the session's files. */
type FilesLogin = { readonly link: ChannelLink; readonly ways: readonly Action[] }

/**
 * The files beside a session's desktop: a login at the machine's SSH server of the session's own, made when its user first
 * asks, and a channel of SFTP on it that is one of the session.
 *
 * SECURITY: guacd has no part in it. The machine's host key is pinned, the credential leaves the vault as the session's own
 * does, and each byte goes by the watcher of SFTP that native clients have.
 */
export class DesktopFiles implements Disposable {
  readonly #ports: FilesPorts
  #login: FilesLogin | undefined
  #channel: RelayedChannel | undefined
  #isOpening = false
  /** The machine has refused the credential once: asking again could lock the account out. */
  #isRefused = false
  #until: NodeJS.Timeout | undefined

  constructor(ports: FilesPorts) {
    this.#ports = ports
  }

  /** Opens them for the user, until either end closes. Rejects where the recording failed. */
  async open(front: FilesFront): Promise<void> {
    const { permit, held } = this.#ports
    if (permit.files === undefined) {
      this.#ports.refused('asked for, where nobody carries them or the grant does not allow it')
      return front.tell('no files go beside this desktop for you', 'terminated', refusalMs)
    }
    if (this.#isOpening) return front.tell('the files are being opened: wait', 'terminated', refusalMs)
    // One at a time: who opens them anew has done with what was open.
    await this.#channel?.cut(undefined)
    const stopped = held()
    if (stopped !== undefined) return front.tell(stopped, 'terminated', refusalMs)
    this.#isOpening = true
    const login = await this.#logIn().finally(() => {
      this.#isOpening = false
    })
    if (!login.ok) {
      this.#ports.refused(login.refusal.message)
      return front.tell(sentenceOf(login.refusal), 'terminated', refusalMs)
    }
    // SECURITY: whoever froze the session while the machine was reached did so before anything of it was used.
    const since = held()
    if (since !== undefined || this.#ports.isEnding())
      return front.tell(since ?? 'this session has ended', 'terminated', refusalMs)
    const { link, ways } = login.value
    front.may(ways)
    const channel = this.#ports.makeChannel(front, link, ways)
    this.#channel = channel
    void channel.closed.then(() => {
      if (this.#channel === channel) this.#channel = undefined
    })
    await channel.run()
  }

  async #logIn(): Promise<Outcome<FilesLogin>> {
    if (this.#login?.link.isGone === false) return done(this.#login)
    const { permit, box, ask, log, limits } = this.#ports
    const { session } = permit
    if (this.#isRefused)
      return refuse(
        'conflict',
        'the machine refused the stored credential for files',
        'have an administrator check it, then connect again',
      )
    const released = await ask('session.files', { session })
    if (!released.ok) return released
    const sealedTo = box()
    if (sealedTo === undefined || this.#ports.isEnding())
      return refuse('expired', 'this session has ended', 'connect again')
    const { target, account, ways, secondsLeft } = released.value
    const credential = this.#credentialOf(released.value, sealedTo)
    const login = await logIn({ target, account }, credential, limits.targetConnect)
    this.#isRefused = login.kind === 'failed' && login.reason === 'target refused the credential'
    const untried = login.kind === 'failed' && !login.given
    const verdict = login.kind === 'connected' ? 'accepted' : untried ? 'untried' : 'rejected'
    await ask('session.files-login', { session, verdict }).catch((error: unknown) =>
      log('the vault did not hear of a login for files', { session, error: String(error) }),
    )
    if (login.kind === 'failed') return refuse('unavailable', login.message, login.next)
    const link = new ChannelLink(login.client, login.socket, { target, account }, limits, log)
    if (this.#ports.isEnding()) {
      link[Symbol.dispose]()
      return refuse('expired', 'this session has ended', 'connect again')
    }
    this.#login = { link, ways: ways.filter((way) => permit.actions.includes(way)) }
    this.#until = setTimeout(
      () => void this.#end('the time in which files may go has ended'),
      Math.min(secondsLeft, 24 * 3600) * 1000,
    )
    this.#until.unref()
    return done(this.#login)
  }

  #credentialOf({ credential }: VerbAnswer<'session.files'>, box: SessionBox): TargetCredential {
    if (credential.kind === 'password')
      return { kind: 'password', secret: box.open(fromBase64(credential.sealed)) }
    const { ask, permit } = this.#ports
    return {
      kind: 'ssh-key',
      publicKey: credential.publicKey,
      sign: async (data, algorithm) => {
        const signed = await ask('session.sign', {
          session: permit.session,
          data: Buffer.from(data).toString('base64'),
          algorithm,
          files: true,
        })
        return signed.ok ? done(fromBase64(signed.value.signature)) : signed
      },
    }
  }

  async #end(text: string): Promise<void> {
    await this.#channel?.cut(text)
    this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#until)
    this.#login?.link[Symbol.dispose]()
    this.#login = undefined
  }
}
