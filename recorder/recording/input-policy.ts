import { createHash, type Hash } from 'node:crypto'
import type { InputPolicy } from '../../vault/contract.ts'
import type { Frame } from '../replay/frame.ts'
import { EchoWatch, type HiddenStretch } from './echo-watch.ts'

/** Of a channel without a terminal, so much input is kept whole; of more, size and digest. */
export const keptInputBytes = 16 * 1024 * 1024

type ChannelInput = {
  readonly isTerminal: boolean
  /** A forwarding whose grant says that all of it is kept: the safe's rule is about what people type. */
  readonly isStream: boolean
  readonly echo: EchoWatch | undefined
  kept: number
  size: number
  hash: Hash | undefined
}

/**
 * Turns what users send into what the recording keeps of it, by the policy of the safe.
 *
 * SECURITY: under `echoed` and `timing_only` no typed byte leaves here: what the target echoes is in its output. The
 * rule does not guess what is secret; it keeps no key at all.
 */
export class InputRule {
  readonly #policy: InputPolicy
  readonly #channels = new Map<number, ChannelInput>()

  constructor(policy: InputPolicy) {
    this.#policy = policy
  }

  open(channel: number, isTerminal: boolean, isStream = false): void {
    const echo = isTerminal && this.#policy === 'echoed' ? new EchoWatch() : undefined
    this.#channels.set(channel, { isTerminal, isStream, echo, kept: 0, size: 0, hash: undefined })
  }

  isTerminal(channel: number): boolean {
    return this.#channels.get(channel)?.isTerminal ?? false
  }

  input(channel: number, bytes: Uint8Array, at: number): readonly Frame[] {
    const state = this.#channels.get(channel)
    if (state?.isStream === true) return [{ kind: 'input', channel, bytes, at }]
    const timing: Frame = { kind: 'timing', channel, length: bytes.length, submit: submits(bytes), at }
    if (this.#policy === 'timing_only') return [timing]
    if (state === undefined || state.isTerminal) {
      if (this.#policy === 'full') return [{ kind: 'input', channel, bytes, at }]
      return [...hidden(channel, state?.echo?.typed(bytes, at), at), timing]
    }
    state.size += bytes.length
    state.hash ??= createHash('sha256')
    state.hash.update(bytes)
    const room = keptInputBytes - state.kept
    if (room <= 0) return []
    const kept = bytes.length > room ? bytes.subarray(0, room) : bytes
    state.kept += kept.length
    return [{ kind: 'input', channel, bytes: kept, at }]
  }

  /** What has to be recorded before this output, in general nothing. */
  output(channel: number, bytes: Uint8Array, at: number): readonly Frame[] {
    const echo = this.#channels.get(channel)?.echo
    return echo === undefined ? [] : hidden(channel, echo.printed(bytes), at)
  }

  close(channel: number, at: number): readonly Frame[] {
    const state = this.#channels.get(channel)
    if (state === undefined) return []
    this.#channels.delete(channel)
    const frames: Frame[] = [...hidden(channel, state.echo?.settle(), at)]
    if (state.size > state.kept && state.hash !== undefined)
      frames.push({
        kind: 'mark',
        channel,
        mark: { kind: 'input-digest', size: state.size, sha256: state.hash.digest('hex') },
        at,
      })
    return frames
  }

  closeAll(at: number): readonly Frame[] {
    return [...this.#channels.keys()].flatMap((channel) => this.close(channel, at))
  }
}

function submits(bytes: Uint8Array): boolean {
  return bytes.includes(0x0d) || bytes.includes(0x0a)
}

function hidden(channel: number, stretch: HiddenStretch | undefined, at: number): readonly Frame[] {
  if (stretch === undefined) return []
  const duration = Math.round((stretch.to - stretch.from) / 1e6)
  return [{ kind: 'hidden', channel, length: stretch.length, duration, at }]
}
