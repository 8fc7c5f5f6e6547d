/** What a recording holds, in order of time. Runs in browsers too. */
export type Mark =
  | { readonly kind: 'command'; readonly line: string }
  | { readonly kind: 'title'; readonly title: string }
  | {
      readonly kind: 'file'
      readonly name: string
      readonly direction: 'upload' | 'download'
      readonly via: 'sftp' | 'scp'
      readonly size: number
      readonly sha256: string
      readonly complete: boolean
    }
  /** A text went over the clipboard of a desktop: `in` onto the machine's, `out` off it. */
  | {
      readonly kind: 'clipboard'
      readonly way: 'in' | 'out'
      readonly mimetype: string
      readonly size: number
      /** Missing for a text so short that it could be guessed, but where the safe keeps all input. */
      readonly sha256?: string
      /** How it begins; only where the safe keeps all input. */
      readonly text?: string
    }
  | {
      readonly kind: 'open'
      readonly type: 'shell' | 'exec' | 'subsystem' | 'forward' | 'desktop'
      /** Command line, name of the subsystem, or host:port of a forwarding. */
      readonly command?: string
      readonly term?: string
      readonly columns?: number
      readonly rows?: number
    }
  | {
      readonly kind: 'close'
      readonly exitCode?: number
      readonly signal?: string
      /** Of a forwarding: bytes that went to its destination, and that came back. */
      readonly up?: number
      readonly down?: number
    }
  | { readonly kind: 'freeze'; readonly by: string; readonly frozen: boolean; readonly reason?: string }
  /** A line that somebody had shown in the session's terminals. */
  | { readonly kind: 'message'; readonly by: string; readonly text: string }
  | { readonly kind: 'watch'; readonly by: string; readonly watching: boolean }
  /** From here on somebody else types in the user's place, or no more: input between the two is theirs. */
  | { readonly kind: 'take'; readonly by: string; readonly taken: boolean }
  /**
   * Of a desktop: keyframe frames of this channel follow, of so many bytes together. Joined, they draw on a fresh
   * display what is seen here; what comes after them goes on from there.
   */
  | {
      readonly kind: 'keyframe'
      readonly bytes: number
      readonly width: number
      readonly height: number
    }
  /** Of a desktop: from here on its screen is so large, in pixels. Not of the size that it begins with. */
  | { readonly kind: 'resize'; readonly width: number; readonly height: number }
  /** Of a desktop: nothing was drawn and nothing done for so long before this mark. */
  | { readonly kind: 'idle'; readonly seconds: number }
  | { readonly kind: 'policy'; readonly event: string; readonly detail: string }
  | { readonly kind: 'warning'; readonly text: string }
  | { readonly kind: 'gap'; readonly reason: string }
  /** Non-pty input past the part that is kept: only its digest. */
  | { readonly kind: 'input-digest'; readonly size: number; readonly sha256: string }

/** What a broker appends. `channel` numbers the session's channels from 0; -1 is the session itself. */
export type AppendedFrame =
  | { readonly kind: 'output' | 'stderr' | 'input'; readonly channel: number; readonly bytes: Uint8Array }
  | { readonly kind: 'resize'; readonly channel: number; readonly columns: number; readonly rows: number }
  | { readonly kind: 'mark'; readonly channel: number; readonly mark: Mark }

/** What a reader gets: `at` in nanoseconds from the start of the recording. */
export type Frame =
  | (AppendedFrame & { readonly at: number })
  /** Typed while the target did not echo: how much and for how long (milliseconds), never what. */
  | {
      readonly kind: 'hidden'
      readonly channel: number
      readonly length: number
      readonly duration: number
      readonly at: number
    }
  /** So many bytes were typed, without saying which; `submit`: Enter was among them. */
  | {
      readonly kind: 'timing'
      readonly channel: number
      readonly length: number
      readonly submit: boolean
      readonly at: number
    }
  /** The whole state of one channel's terminal: write `bytes` to a fresh terminal of this size. Of a desktop: a part of one. */
  | {
      readonly kind: 'keyframe'
      readonly channel: number
      readonly columns: number
      readonly rows: number
      readonly bytes: Uint8Array
      readonly at: number
    }
