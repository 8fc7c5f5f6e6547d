import type { Action, ElevationKind, EndReason, Keyboard } from '../../vault/contract.ts'
import type { AccountId, WatchId } from '../../vault/kernel/id.ts'

/**
 * What goes over a live socket (docs/live-protocol.md): text frames are one JSON object each, tagged by `kind`; binary
 * frames are bytes of the terminal. Runs in browsers too.
 */
export const liveProtocol = 'tagout.live.1'

export const liveBounds = {
  /** A text frame of the browser. */
  messageBytes: 4 * 1024,
  /** A binary frame of the browser. */
  inputFrameBytes: 32 * 1024,
  /** Bytes of input sent and not yet said to be taken: the browser sends no more. */
  inputWindow: 128 * 1024,
  /** The text of a clipboard, either way: guacd keeps no more of one. */
  clipboardBytes: 256 * 1024,
  /** The first byte of a binary frame of a desktop that is of its files: no instruction begins so. */
  filesMark: 0,
  /** Milliseconds for the first message. */
  firstMessage: 10_000,
  /** The largest terminal, in columns or rows. */
  size: 1000,
} as const

/** What a sentence to the user is about: of `message` each stands, of the others the last. */
export type NoticeTopic = 'freeze' | 'watch' | 'time' | 'recording' | 'message' | 'type-in'

/** What the browser says. */
export type ClientMessage =
  /** First, and once. */
  | {
      readonly kind: 'ticket'
      readonly ticket: string
      readonly columns: number
      readonly rows: number
    }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  /** The terminal has drawn so many more bytes of output. */
  | { readonly kind: 'taken'; readonly bytes: number }
  /** The user asks for the secret of sudo, su or enable to be typed at its prompt. */
  | { readonly kind: 'elevate' }
  /** The user asks for the secret of a linked account to be typed into the desktop, and Enter where they say so. */
  | { readonly kind: 'type-in'; readonly account: AccountId; readonly enter: boolean }
  /** The user wants the files beside the desktop, or has done with them. */
  | { readonly kind: 'files'; readonly open: boolean }
  /** Of a watcher to whom the session was handed: what they type goes into this channel's terminal. */
  | { readonly kind: 'into'; readonly channel: number }
  /** The user leaves. */
  | { readonly kind: 'leave' }

/** What a watcher is told, beside bytes of the terminal that was named last. */
export type WatchMessage =
  /** The terminal of a channel anew, in this size: the bytes that follow are of it, and begin with its present state. */
  | { readonly kind: 'screen'; readonly channel: number; readonly columns: number; readonly rows: number }
  /** The bytes that follow are of this channel's terminal again. */
  | { readonly kind: 'channel'; readonly channel: number }
  | { readonly kind: 'resize'; readonly channel: number; readonly columns: number; readonly rows: number }
  /** Something happened: a command, a file, a freeze. `channel` is -1 for the session itself. */
  | { readonly kind: 'mark'; readonly channel: number; readonly text: string }
  | { readonly kind: 'closed'; readonly channel: number }

/** What the recorder's worker says. */
export type ServerMessage =
  /** The session has begun: bytes go both ways from here on. */
  | {
      readonly kind: 'started'
      readonly session: string
      readonly user: string
      readonly target: string
      readonly account: string
      readonly actions: readonly Action[]
      /** Bytes are instructions of the Guacamole protocol, both ways; missing: of a terminal. */
      readonly desktop?: true
      /** What may be elevated by, on the message `elevate`. */
      readonly elevation?: ElevationKind
      /** Whose secrets may be typed into the desktop, on the message `type-in`. */
      readonly typeIns?: readonly { readonly account: AccountId; readonly name: string }[]
      /** As whom files go beside the desktop, on the message `files`. */
      readonly files?: { readonly account: string }
      /** The keyboard that a machine of RDP was told to expect. */
      readonly keyboard?: Keyboard
      /** The machine's clipboard has the characters of Latin-1 alone. */
      readonly clipboard?: 'latin-1'
      readonly endsAt: string
      /** Until then, by the vault's clock: the browser's may be wrong. */
      readonly secondsLeft: number
    }
  /** The ticket was for watching: what follows is read only. */
  | {
      readonly kind: 'watching'
      readonly session: string
      /** By which it is taken over. */
      readonly watch: WatchId
      readonly user: string
      readonly account: string
      /** Was the user told? */
      readonly notice: boolean
      /** Bytes are instructions of the Guacamole protocol: the picture as it is, and what changes. */
      readonly desktop?: true
    }
  | WatchMessage
  /** The session was handed to this watcher, or taken back: what they type reaches it, or nothing. */
  | { readonly kind: 'typing'; readonly may: boolean }
  /** The watch is over, and why. The last message. */
  | { readonly kind: 'unwatched'; readonly message: string }
  /** The files are open, and go so: binary frames that begin with a zero byte are SFTP from here on. */
  | { readonly kind: 'files'; readonly open: true; readonly reads: boolean; readonly writes: boolean }
  /** They are closed, or were not opened, and why where it was not the user who closed them. */
  | { readonly kind: 'files'; readonly open: false; readonly message?: string }
  /** So many more bytes of input were taken. */
  | { readonly kind: 'taken'; readonly bytes: number }
  /** The worker is there, though it has nothing to say: every 5 s. */
  | { readonly kind: 'alive' }
  /** Said to the user while the session goes on: its end comes near, the recording fills up. */
  | { readonly kind: 'warning'; readonly text: string; readonly about?: NoticeTopic }
  /** More time was granted: the session ends then, in so many seconds, and not when `started` said. */
  | { readonly kind: 'ends'; readonly endsAt: string; readonly secondsLeft: number }
  /** Who watches now, of those whom the user is told of. */
  | { readonly kind: 'watchers'; readonly names: readonly string[] }
  /** No session came about. The last message. */
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly message: string
      readonly next?: string
    }
  /** The session is over. The last message. */
  | {
      readonly kind: 'ended'
      readonly reason: EndReason
      readonly message?: string
      /** How what ran on the target ended, where that is known. */
      readonly exit?: { readonly code: number } | { readonly signal: string }
    }

/** Codes with which the worker closes a live socket, beside 1000 (after its last message) and RFC 6455's own. */
export const liveClose = {
  /** A frame is not of this protocol. */
  malformed: 4400,
  /** Nothing came in time. */
  silent: 4408,
  /** More was sent than the other side had room for. */
  flood: 4429,
  /** The worker ends. */
  shutDown: 4503,
} as const
